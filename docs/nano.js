// The model of notebook 03, with the notebook's names. Numbers lie in flat arrays; their shapes stand in the comments.
export let vocabulary, numbers, alpha_bar, T, MAX_WORDS;

export function take(facts) {
  ({ vocabulary, alpha_bar, T, MAX_WORDS } = facts);
  numbers = new Map(vocabulary.map((word, k) => [word, k]));
}

// Section 4: words to numbers.
export const words_of = (caption) => caption.toLowerCase().split(/[\s,.;]+/).filter(Boolean);

export function tokenize(captions) { // (B, MAX_WORDS)
  const tokens = new Int32Array(captions.length * MAX_WORDS);
  captions.forEach((caption, row) => words_of(caption).slice(0, MAX_WORDS).forEach((word, k) => {
    if (!numbers.has(word)) throw new RangeError(`unknown word '${word}'; try ${near(word).join(", ")}`);
    tokens[row * MAX_WORDS + k] = numbers.get(word);
  }));
  return tokens;
}

// The known words that the fewest changes of a letter lead to, rather those with the same beginning.
export function near(word, many = 3) {
  const distance = (other) => {
    let row = [...other, ""].map((_, k) => k);
    for (const letter of word)
      row = row.reduce((next, old, j) => [...next, j ? Math.min(old + 1, next[j - 1] + 1, row[j - 1] + (other[j - 1] !== letter)) : old + 1], []);
    return row.at(-1) - (other[0] === word[0]) / 2 - 2 * (other.startsWith(word) || word.startsWith(other));
  };
  const found = vocabulary.slice(1).map((other) => [distance(other), other]);
  return found.sort((a, b) => a[0] - b[0]).slice(0, many).map(([, other]) => other);
}

// n Gaussian numbers from a seed, n even: mulberry32, whose numbers become Gaussian in pairs by Box and Muller.
export function noise(seed, n) {
  let a = seed | 0;
  const uniform = () => {
    let x = (a = (a + 0x6D2B79F5) | 0);
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  const eps = new Float32Array(n);
  for (let k = 0; k < n; k += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    eps.set([radius * Math.cos(angle), radius * Math.sin(angle)], k);
  }
  return eps;
}

// Equation (1): z_t for latents z_0 (B, 4, 8, 8), a step t, and noise like z_0.
export const q_sample = (z_0, t, eps) => z_0.map((z, k) => Math.sqrt(alpha_bar[t]) * z + Math.sqrt(1 - alpha_bar[t]) * eps[k]);

const stack = (a, b) => a.constructor.from([...a, ...b]); // one array behind the other

// tau for the prompts alone, and for the prompts followed by as many null prompts.
export const ask_tau = async (net, tokens) => ({ given: await net.tau(tokens), both: await net.tau(stack(tokens, tokens.map(() => 0))) });

// Equation (4): the network's guess of z_0, led by the words. It is asked with and without them in one batch.
export async function guess(net, z_t, t, words, guidance) {
  if (guidance === 1) return (await net.unet(z_t, t, words.given)).z_0;
  const { z_0 } = await net.unet(stack(z_t, z_t), t, words.both);
  const without = z_0.subarray(z_t.length);
  return z_0.slice(0, z_t.length).map((z, k) => without[k] + guidance * (z - without[k]));
}

export const times = (steps) => Array.from({ length: steps + 1 }, (_, k) => { // from T to 0
  const t = (T * (steps - k)) / steps, up = Math.round(t);
  return up - t === 0.5 ? 2 * Math.round(t / 2) : up; // a half becomes the even number, as in PyTorch
});

// Section 7, DDIM: step by step, z_t and the guess of z_0, the last of which is the end.
export async function* sample(net, words, guidance, steps, z_t) {
  const path = times(steps);
  for (let k = 0; k < steps; k++) {
    const t = path[k], s = path[k + 1], a = alpha_bar[t], b = alpha_bar[s];
    const z_0 = (await guess(net, z_t, t, words, guidance)).map((z) => Math.min(4, Math.max(-4, z)));
    yield { t, z_t, z_0 };
    z_t = z_t.map((z, i) => Math.sqrt(b) * z_0[i] + Math.sqrt(1 - b) * (z - Math.sqrt(a) * z_0[i]) / Math.sqrt(1 - a));
  }
}

// Section 9: the weights (B, MAX_WORDS, 8, 8) of the last cross-attention layer, for latents noised to T/2.
export const look = async (net, words, z_0, eps) => (await net.unet(q_sample(z_0, T >> 1, eps), T >> 1, words.given)).weights;

// The three networks as functions, computed by onnxruntime-web from their files.
export async function networks(ort, file) {
  const open = (name) => ort.InferenceSession.create(file[name], { executionProviders: ["wasm"] });
  const tau = await open("tau"), unet = await open("unet"), decoder = await open("decoder");
  const latent = (z) => new ort.Tensor("float32", z, [z.length / 256, 4, 8, 8]);
  return {
    tau: (tokens) => tau.run({ tokens: new ort.Tensor("int32", tokens, [tokens.length / MAX_WORDS, MAX_WORDS]) }),
    async unet(z_t, t, { words, empty }) {
      const step = new ort.Tensor("float32", new Float32Array(z_t.length / 256).fill(t));
      const { z_0, weights } = await unet.run({ z_t: latent(z_t), t: step, words, empty });
      return { z_0: z_0.data, weights: weights.data };
    },
    decode: async (z) => (await decoder.run({ z: latent(z) })).index.data, // the best colour of each pixel, (B, 16, 16)
  };
}

// Which pixels of a sprite (16, 16) are outside: of colour 0, and connected with the rim by such pixels.
export function outside(index) {
  const out = new Array(256).fill(false);
  const visit = (x, y) => {
    const k = 16 * y + x;
    if (x < 0 || y < 0 || x > 15 || y > 15 || out[k] || index[k]) return;
    out[k] = true;
    for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) visit(x + dx, y + dy);
  };
  for (let k = 0; k < 16; k++) for (const [x, y] of [[k, 0], [k, 15], [0, k], [15, k]]) visit(x, y);
  return out;
}
