// Fetches the library and the model, checks their sizes and checksums, and draws, beside the page's own thread.
import * as nano from "./nano.js";

const CDN = "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/";
const LIBRARY = {
  "ort.wasm.bundle.min.mjs": { bytes: 73054, integrity: "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG" },
  "ort-wasm-simd-threaded.wasm": { bytes: 14239897, integrity: "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM" },
};
let net, newest;

// The bytes of a file; what is thrown is a sentence that says what is wrong with it. `arrived` is told how many came.
async function fetch_checked(url, { bytes, integrity }, arrived) {
  const stop = (what) => { throw `The file ${url.split("/").pop()} ${what}.`; };
  const subtle = self.crypto?.subtle, parts = []; // without https there is none: then the browser checks, at the end
  const answer = await fetch(url, { cache: "no-cache", integrity: subtle ? "" : integrity }).catch(() => stop("cannot be had"));
  if (!answer.ok) stop(`cannot be had: the server answers ${answer.status}`);
  const reader = answer.body.getReader(), read = () => reader.read().catch(() => stop("has broken off on its way"));
  for (let part; !(part = await read()).done; arrived(part.value.length)) parts.push(part.value);
  const content = await new Blob(parts).arrayBuffer();
  if (content.byteLength !== bytes) stop(`has arrived incomplete: ${content.byteLength} of ${bytes} bytes`);
  const found = subtle && new Uint8Array(await subtle.digest("SHA-384", content));
  if (found && "sha384-" + btoa(String.fromCharCode(...found)) !== integrity) stop("has arrived altered: its checksum is wrong");
  return content;
}

async function load(facts) {
  nano.take(facts);
  const model = Object.entries(facts.files).map(([name, known]) => ["model/" + name, known]);
  const wanted = [...model, ...Object.entries(LIBRARY).map(([name, known]) => [CDN + name, known])];
  let have = 0, file = {}, total = wanted.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const arrived = (bytes) => postMessage({ have: (have += bytes), total });
  await Promise.all(wanted.map(async ([url, known]) => (file[url.match(/([^/.]+)[^/]*$/)[1]] = await fetch_checked(url, known, arrived))));
  const ort = await import(URL.createObjectURL(new Blob([file.ort], { type: "text/javascript" })));
  Object.assign(ort.env.wasm, { numThreads: 1, wasmBinary: file["ort-wasm-simd-threaded"] });
  net = await nano.networks(ort, file);
  postMessage({ ready: true });
}

// Eight sprites: a message for each step with what the page shows, and the attention weights at the end.
async function draw({ job, prompt, seed, guidance, steps }) {
  newest = job;
  const B = 8, n = B * 256, eps = nano.noise(seed, 2 * n); // half of it for the start, half for the look at the end
  const words = await nano.ask_tau(net, nano.tokenize(new Array(B).fill(prompt)));
  let z_0;
  for await (const step of nano.sample(net, words, guidance, steps, eps.slice(0, n))) {
    z_0 = step.z_0;
    postMessage({ job, z_t: step.z_t, index: await net.decode(z_0) });
    await new Promise((resolve) => setTimeout(resolve)); // a newer order may have come in
    if (job !== newest) return;
  }
  postMessage({ job, weights: await nano.look(net, words, z_0, eps.slice(n)) });
}

const sentence = (error) => (error.message ? `This browser cannot run the model (${error.message}).` : error);
onmessage = ({ data }) => (data.facts ? load(data.facts) : draw(data)).catch((error) => postMessage({ error: sentence(error) }));
