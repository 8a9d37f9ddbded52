// The page: what is typed, drawn, pointed at and saved. The model is in nano.js and runs in worker.js.
import { MAX_WORDS, near, numbers, outside, take, words_of } from "./nano.js";

const $ = (id) => document.getElementById(id);
const all = (selector) => document.querySelectorAll(selector);
const make = (tag, more, ...parts) => {
  const element = document.createElement(tag);
  element.append(...parts);
  return Object.assign(element, more); // at last, as a menu's value is one of its parts
};
const menu_of = (words, value, act) => make("select", { value, onchange: (event) => act(event.target.value) },
  ...words.map((word) => make("option", { value: word }, word || "none")));
const part = (array, k) => array.subarray(256 * k, 256 * (k + 1)); // what belongs to sprite k
let facts, worker, sheet, before, pinned = -1;

function say(text, wrong = false) {
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
  $("again").hidden = !wrong;
}

function busy(is) { // while it draws, what needs a finished sheet rests
  $("bar").classList.toggle("waiting", is);
  $("progress").classList.toggle("idle", !is);
  for (const control of [$("step"), ...all(".save")]) control.disabled = is;
}

function from_address() { // it holds what is asked for
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [name, usual] of Object.entries({ prompt: facts.prompt, seed: 1, guidance: facts.GUIDANCE, steps: 20 })) {
    $(name).value = given.get(name) ?? usual;
    if (!$(name).validity.valid) $(name).value = usual;
  }
  changed();
}

// The pattern of captions that these words follow, and the word of each kind; one without gaps if there is one.
function fit(words) {
  const fits = facts.patterns.map((pattern) => {
    let k = 0;
    const values = pattern.slots.map((slot) => (slot.words.includes(words[k]) ? words[k++] : ""));
    return { pattern, values, read: k && k === words.length, whole: pattern.slots.every((slot, j) => values[j] || slot.optional) };
  }).filter((found) => found.read);
  return fits.find((found) => found.whole) || fits[0];
}

const set_prompt = (words) => (($("prompt").value = words.filter(Boolean).join(" ")), changed());

function changed() { // what hangs on the prompt and the sliders: menus, completions, the sentence below the prompt
  for (const name of ["guidance", "steps"]) $(`${name}-is`).textContent = $(name).value;
  const text = $("prompt").value, found = fit(words_of(text)), own = found ? [] : ["your own words"];
  const focus = [...all("#menus select")].indexOf(document.activeElement);
  const kinds = menu_of([...facts.patterns.map((p) => p.name), ...own], own[0] ?? found.pattern.name, (name) => {
    const pattern = facts.patterns.find((p) => p.name === name), example = facts.examples.find((e) => fit(words_of(e))?.pattern === pattern);
    set_prompt(example ? [example] : pattern.slots.map((slot) => slot.words[0]));
  });
  const fixed = (slot) => slot.words.length === 1 && !slot.optional;
  const menus = found?.pattern.slots.map((slot, k) => !fixed(slot) && make("label", {}, slot.kind,
    menu_of(slot.optional || !found.values[k] ? ["", ...slot.words] : slot.words, found.values[k], (word) =>
      set_prompt(found.pattern.slots.map((other, j) => (j === k ? word : fixed(other) ? other.words[0] : found.values[j]))))));
  $("menus").replaceChildren(make("label", { className: "wide" }, "kind", kinds), ...(menus ?? []).filter(Boolean));
  all("#menus select")[focus]?.focus();
  const start = text.slice(0, text.search(/\S*$/)), last = text.slice(start.length).toLowerCase();
  const next = !last && found?.pattern.slots[found.values.findLastIndex(Boolean) + 1]?.words;
  const some = next || facts.vocabulary.slice(1).filter((word) => word.startsWith(last) && word !== last);
  $("completions").replaceChildren(...some.map((word) => make("option", { value: start + word })));
  check(words_of(start));
}

function check(words) { // says below the prompt which word is unknown, or which are too many; true if all are known
  const unknown = words.slice(0, MAX_WORDS).find((word) => !numbers.has(word)), typed = words_of($("prompt").value);
  const button = (word) => make("button", { type: "button", onclick: () => {
    set_prompt(typed.map((old) => (old === unknown ? word : old)));
    $("prompt").focus();
  } }, word || "leave it out");
  const lost = typed.slice(MAX_WORDS).join(" ");
  $("hint").textContent = lost && `The model reads ${MAX_WORDS} words at most: “${lost}” is left out.`;
  if (unknown) $("hint").replaceChildren(`The model does not know “${unknown}”. Nearest: `, ...near(unknown).map(button), button(""));
  return !unknown;
}

function draw() {
  const words = words_of($("prompt").value);
  if ($("draw").disabled || !$("form").reportValidity() || !check(words)) return;
  if (sheet?.weights) before = sheet;
  const prompt = words.join(" "), name = prompt ? `“${prompt}”` : "no words";
  const [seed, guidance, steps] = ["seed", "guidance", "steps"].map((id) => Number($(id).value));
  const asked = { job: (sheet?.job ?? 0) + 1, prompt, seed, guidance, steps };
  worker.postMessage(asked);
  history.replaceState(null, "", ($("link").href = "#" + new URLSearchParams({ prompt, seed, guidance, steps })));
  sheet = { ...asked, name, words: words.slice(0, MAX_WORDS), frames: [], started: performance.now() };
  cells.forEach((cell, k) => {
    cell.before.hidden = !before;
    if (before) paint(cell.before, sprite(part(before.frames.at(-1).index, k)));
  });
  $("before-is").textContent = before ? ` Below: the sprite of the sheet before, ${before.name}, seed ${before.seed}.` : "";
  busy(true);
  look_at((pinned = -1));
  say(`Drawing ${sheet.name}.`);
}

function heard({ data }) { // what the worker says
  if (data.error) say(data.error, true);
  else if (data.total && $("again").hidden) {
    $("progress").value = data.have / data.total;
    $("status").textContent = `Loading the model and the library: ${Math.floor(data.have / 1e6)} of ${Math.ceil(data.total / 1e6)} MB.`;
  } else if (data.ready) {
    $("draw").disabled = $("example").disabled = false;
    draw();
  } else if (data.job !== sheet?.job) return;
  else if (data.index) {
    $("step").max = sheet.frames.push(data);
    $("progress").value = sheet.frames.length / sheet.steps;
    show(($("step").value = sheet.frames.length));
  } else if ((sheet.weights = data.weights)) {
    const seconds = ((performance.now() - sheet.started) / 1000).toFixed(1);
    say(`Drawn: eight sprites for ${sheet.name} with seed ${sheet.seed}, in ${seconds} seconds.`);
    list_words();
  }
}

// A picture of 16 x 16 squares on a canvas, in the colours of their numbers k: a sprite, or a latent as four grey pictures.
function paint(canvas, colour, scale = 1, left = 0, top = 0) {
  const context = canvas.getContext("2d");
  context.clearRect(left, top, 16 * scale, 16 * scale);
  for (let k = 0; k < 256; k++) {
    context.fillStyle = colour(k);
    context.fillRect(left + scale * (k % 16), top + scale * (k >> 4), scale, scale);
  }
}

const sprite = (index, out = outside(index)) => (k) => (out[k] ? "transparent" : `rgb(${facts.palette[index[k]]})`);
const grey = (z) => (k) => `hsl(0 0% ${50 + 16 * z[128 * (k >> 7) + 64 * ((k >> 3) & 1) + 8 * ((k >> 4) & 7) + (k & 7)]}%)`;

function show(step) { // the sheet as it was at a step
  const { index, z_t } = sheet.frames[step - 1];
  $("step-is").textContent = `${step} of ${sheet.steps}`;
  cells.forEach((cell, k) => {
    paint(cell.sprite, sprite(part(index, k)));
    paint(cell.latent, grey(part(z_t, k)));
  });
}

const weight = (i, word, place) => sheet.weights[(i * MAX_WORDS + word) * 64 + place];
function look_at(word) { // every place of a sprite is the darker the less it looks at the word; -1: nothing is darkened
  const most = word < 0 || Math.max(...sheet.weights);
  const dark = (i) => (k) => (word < 0 ? "transparent" : `rgb(12 12 20 / ${1 - weight(i, word, 8 * (k >> 5) + ((k >> 1) & 7)) / most})`);
  cells.forEach((cell, i) => paint(cell.map, dark(i)));
  all(".word button").forEach((button, k) => {
    button.classList.toggle("shown", k === word);
    button.setAttribute("aria-pressed", k === pinned);
  });
}

function read_at(i, [x, y] = []) { // which words place (x, y) of sprite i reads; -1: none
  cells.forEach((cell, k) => (cell.spot.hidden = k !== i || !sheet?.weights));
  if (!sheet?.weights) return;
  const shares = sheet.words.map((word, k) => [i < 0 ? 0 : weight(i, k, 8 * y + x), word]);
  all(".share").forEach((bar, k) => (bar.style.width = `${100 * shares[k][0]}%`));
  const most = shares.sort((a, b) => b[0] - a[0]).slice(0, 3).map(([share, word]) => `${word} ${Math.round(100 * share)}\u00a0%`);
  $("reading").textContent = i < 0 ? $("reading").dataset.how : `Sprite ${i + 1}, row ${y + 1}, column ${x + 1} of 8 reads: ${most.join(", ")}.`;
  if (i >= 0) Object.assign(cells[i].spot.style, { left: `${12.5 * x}%`, top: `${12.5 * y}%` });
}

function list_words() { // the words of the sheet, each with a menu of those that may take its place
  const found = fit(sheet.words), slots = found?.pattern.slots.filter((_, k) => found.values[k]);
  const kinds = slots ?? sheet.words.map((word) => facts.patterns.flatMap((p) => p.slots).find((slot) => slot.words.includes(word)));
  $("words").replaceChildren(...sheet.words.map((word, k) => {
    const on = () => look_at(k), off = () => look_at(pinned), pin = () => look_at((pinned = pinned === k ? -1 : k));
    const events = { onpointerenter: on, onpointerleave: off, onfocus: on, onblur: off, onclick: pin };
    const button = make("button", { type: "button", ...events }, word, make("span", { className: "share" }));
    const others = kinds[k].words, menu = menu_of(others, word, (other) => (set_prompt(sheet.words.map((old, j) => (j === k ? other : old))), draw()));
    menu.disabled = others.length < 2;
    menu.setAttribute("aria-label", `Swap ${word} for`);
    menu.selectedOptions[0].textContent = "swap";
    return make("div", { className: "word" }, button, menu);
  }));
  busy(false);
  look_at(pinned);
  read_at(-1);
}

function save(name, sprites) { // a PNG, four sprites in a row at most
  const size = 16 * $("size").value, columns = Math.min(4, sprites.length);
  const canvas = make("canvas", { width: size * columns, height: size * Math.ceil(sprites.length / columns) });
  sprites.forEach((index, k) => paint(canvas, sprite(index), size / 16, size * (k % columns), size * Math.floor(k / columns)));
  make("a", { href: canvas.toDataURL(), download: `${name.replaceAll(" ", "-")}-seed-${sheet.seed}.png` }).click();
}

const shown = (k) => part(sheet.frames[$("step").value - 1].index, k);
const cells = Array.from({ length: 8 }, (_, k) => {
  const item = $("cell").content.cloneNode(true).firstElementChild, button = item.querySelector(".sprite");
  const [sprite, map, latent, before] = item.querySelectorAll("canvas"), spot = item.querySelector(".spot");
  for (const named of item.querySelectorAll("[aria-label]")) named.setAttribute("aria-label", named.getAttribute("aria-label").replace("#", k + 1));
  let at = [3, 3];
  const read = (...place) => read_at(k, (at = place.map((p) => Math.min(7, Math.max(0, Math.floor(p))))));
  button.onpointermove = button.onpointerdown = ({ offsetX: x, offsetY: y }) => read((8 * x) / button.clientWidth, (8 * y) / button.clientWidth);
  button.onblur = button.onpointerleave = (event) => event.pointerType !== "touch" && read_at(-1);
  button.onfocus = () => button.matches(":focus-visible") && read(...at);
  button.onkeydown = (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
    if (x || y) event.preventDefault();
    read(at[0] + x, at[1] + y);
  };
  item.querySelector(".save").onclick = () => save(`${sheet.prompt} ${k + 1}`, [shown(k)]);
  $("sheet").append(item);
  return { sprite, map, latent, before, spot };
});

$("form").onsubmit = (event) => (event.preventDefault(), draw());
for (const name of ["prompt", "guidance", "steps"]) $(name).oninput = changed;
$("next-seed").onclick = () => ($("seed").value = (Number($("seed").value) + 1) % 2 ** 32, draw());
$("example").onclick = () => (set_prompt([facts.examples[Math.floor(Math.random() * facts.examples.length)]]), draw());
$("step").oninput = () => show(Number($("step").value));
$("save").onclick = () => save(sheet.prompt, cells.map((_, k) => shown(k)));
$("again").onclick = () => location.reload();
onhashchange = () => facts && (from_address(), draw());
$("more").open = matchMedia("(min-width: 72rem)").matches;

try {
  const missing = typeof WebAssembly === "object" ? typeof Worker === "function" ? "" : "Web Workers" : "WebAssembly";
  if (missing) throw new Error(`This browser has no ${missing}, or it is switched off: the model needs it, and any current browser has it.`);
  say("Loading the model and the library.");
  facts = await fetch("model/model.json", { cache: "no-cache" }).then((answer) => answer.json()).catch(() => null);
  if (!facts) throw new Error("The file model.json is broken or cannot be had.");
  take(facts);
  from_address();
  const failed = () => say("The script worker.js cannot be had, or this browser is too old for it.", true);
  worker = Object.assign(new Worker("worker.js", { type: "module" }), { onmessage: heard, onerror: failed });
  worker.postMessage({ facts });
} catch (error) {
  say(error.message, true);
}
