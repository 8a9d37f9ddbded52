// The page's own functions by themselves, without a browser and without the library: node --test tests/web.test.mjs
import assert from "node:assert/strict";
import fs from "node:fs";
import test from "node:test";
import * as nano from "../docs/nano.js";

nano.take(JSON.parse(fs.readFileSync(new URL("../docs/model/model.json", import.meta.url))));
const { alpha_bar, MAX_WORDS, T, vocabulary } = nano;
const close = (a, b, by = 1e-4) => a.forEach((number, k) => assert.ok(Math.abs(number - b[k]) <= by, `${k}: ${number}, not ${b[k]}`));
const words = { given: "given", both: "both" };

test("words are found between spaces, commas and full stops, in any case", () => {
  assert.deepEqual(nano.words_of("  Red, APPLE.\thalf; "), ["red", "apple", "half"]);
  assert.deepEqual(nano.words_of(" "), []);
});

test("tokens are the numbers of the words, filled up with 0, at most MAX_WORDS of them", () => {
  const [a, b] = vocabulary.slice(1), tokens = nano.tokenize([`${a} ${b}`, "", Array(MAX_WORDS + 3).fill(b).join(" ")]);
  assert.deepEqual([...tokens.subarray(0, MAX_WORDS)], [1, 2, ...Array(MAX_WORDS - 2).fill(0)]);
  assert.deepEqual([...tokens.subarray(MAX_WORDS)], [...Array(MAX_WORDS).fill(0), ...Array(MAX_WORDS).fill(2)]);
  assert.throws(() => nano.tokenize([`${a} zzz`]), /unknown word 'zzz'; try \w+, \w+, \w+/);
});

test("the nearest words of a misspelt one hold the right one", () => {
  for (const word of vocabulary.slice(1)) {
    assert.equal(nano.near(word)[0], word);
    for (const wrong of [word + "x", word.slice(0, -1) + "q", word + "s", ...(word.length > 4 ? [word.slice(1)] : [])])
      assert.ok(nano.near(wrong).includes(word), `${wrong}: ${nano.near(wrong)}`);
  }
});

test("noise is Gaussian, the same for the same seed, and another for another", () => {
  const a = nano.noise(7, 20_000), mean = a.reduce((s, x) => s + x) / a.length, square = a.reduce((s, x) => s + x * x) / a.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(square - 1) < 0.03);
  assert.ok(Math.abs(a.filter((x) => Math.abs(x) < 1).length / a.length - 0.6827) < 0.01);
  assert.deepEqual(nano.noise(7, 4), a.slice(0, 4));
  assert.notDeepEqual(nano.noise(8, 4), a.slice(0, 4));
  assert.ok(nano.noise(2 ** 32 - 1, 1000).every(Number.isFinite));
});

test("equation (1): no noise at step 0, nothing else at step T", () => {
  const z_0 = nano.noise(1, 256), eps = nano.noise(2, 256);
  close(nano.q_sample(z_0, 0, eps), z_0);
  close(nano.q_sample(z_0, T, eps), eps, 0.02);
});

test("equation (4): guidance asks once at 1, else twice in one batch, and goes further in the direction of the words", async () => {
  const asked = [];
  const unet = async (z_t, t, given) => (asked.push([z_t.length, given]), { z_0: z_t.map((_, k) => (k < 256 ? 3 : 1)) });
  assert.equal((await nano.guess({ unet }, nano.noise(1, 256), 9, words, 1))[0], 3);
  assert.equal((await nano.guess({ unet }, nano.noise(1, 256), 9, words, 2.5))[0], 1 + 2.5 * 2);
  assert.equal((await nano.guess({ unet }, nano.noise(1, 256), 9, words, 0))[0], 1);
  assert.deepEqual(asked, [[256, "given"], [512, "both"], [512, "both"]]);
});

test("tau is asked for the prompts, and for the prompts and as many null prompts", async () => {
  const { given, both } = await nano.ask_tau({ tau: async (tokens) => [...tokens] }, Int32Array.of(3, 4));
  assert.deepEqual([given, both], [[3, 4], [3, 4, 0, 0]]);
});

test("the sampler ends at the guess, keeps to equation (1) on its way, and clamps what goes too far", async () => {
  const z = nano.noise(3, 256), eps = nano.noise(4, 256), seen = [];
  const net = { unet: async () => ({ z_0: z }) };
  for await (const step of nano.sample(net, words, 1, 7, nano.q_sample(z, T, eps))) seen.push(step);
  assert.deepEqual(seen.map(({ t }) => t), nano.times(7).slice(0, -1));
  for (const { t, z_t, z_0 } of seen) {
    close(z_t, nano.q_sample(z, t, eps), 2e-3);
    assert.deepEqual(z_0, z);
  }
  const far = { unet: async () => ({ z_0: new Float32Array(256).fill(9) }) };
  for await (const { z_0 } of nano.sample(far, words, 1, 2, eps)) assert.equal(z_0[0], 4);
});

test("the steps fall from T to 0, as many as asked for, and the schedule rises with them", () => {
  for (let steps = 1; steps <= 60; steps++) {
    const path = nano.times(steps);
    assert.deepEqual([path.length, path[0], path[steps]], [steps + 1, T, 0]);
    path.slice(1).forEach((s, k) => assert.ok(alpha_bar[s] > alpha_bar[path[k]]));
  }
});

test("attention is looked at half-way, with the words", async () => {
  const net = { unet: async (z_t, t, given) => ({ weights: [t, given, z_t] }) };
  const [t, given, z_t] = await nano.look(net, words, nano.noise(1, 256), nano.noise(2, 256));
  assert.deepEqual([t, given], [Math.floor(T / 2), "given"]);
  close(z_t, nano.q_sample(nano.noise(1, 256), t, nano.noise(2, 256)), 0);
});

test("outside is what is of colour 0 and connected with the rim; white inside a sprite is not", () => {
  const index = new Uint8Array(256);
  for (let k = 4; k < 12; k++) for (const place of [[4, k], [11, k], [k, 4], [k, 11]]) index[16 * place[0] + place[1]] = 5; // a frame
  const out = nano.outside(index);
  assert.deepEqual([out[0], out[16 * 4 + 4], out[16 * 7 + 7], out[255]], [true, false, false, true]);
  assert.equal(out.filter(Boolean).length, 256 - 64);
  index[16 * 4 + 7] = 0; // a gap in the frame
  assert.equal(nano.outside(index)[16 * 7 + 7], true);
  assert.equal(nano.outside(new Uint8Array(256).fill(1)).some(Boolean), false);
});
