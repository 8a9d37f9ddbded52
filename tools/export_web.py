"""Writes docs/model/ (make web): the model of notebook 03 as ONNX in half precision, compared pixel by pixel with PyTorch."""

import base64
import hashlib
import json
import re
from unittest import mock

import numpy as np
import torch
from notebooks import ROOT, opened
from torch import nn

WEIGHTS, TARGET = ROOT / "assets/LDM_QKV_VAE_4/best_ldm.pt", ROOT / "docs/model"
OPSET, MOST_BYTES, LEAST_EQUAL = 18, 4_000_000, 0.995
# The classes and the patterns of their captions, of which the first that fits counts; "?" marks what may be left out.
PATTERNS = {
    "hero from the side": ("side-facing", "side {hair style} {hair colour} hair {colour of clothes} {clothes} {in the hand?}"),
    "hero from the side, with a hat": ("side-facing", "side {hat colour} {hat} {colour of clothes} {clothes} {in the hand?}"),
    "hero": ("hero", "hero {hair style} {hair colour} hair {colour of clothes} {clothes}"),
    "hero with a hat": ("hero", "hero {hat colour} {hat} {colour of clothes} {clothes}"),
    "creature": ("non-hero", "{colour} {creature} {mood?}"),
    "food": ("food", "{colour} {food} {shape?}"),
    "spell or treasure": ("spell", "{magic?} {colour} {thing}"),
}


def open_model():
    """The definitions of notebook 03 with vae, mean, std, ..., and the trained U-Net as `net`."""
    nb = opened("03.ldm_nano.ipynb")
    nb.net = nb.UNet(nb.WIDTH, "QKV")
    nb.load_weights(str(WEIGHTS), nb.net, "03.ldm_nano.ipynb")
    return nb


def noise(seed, n):
    """n Gaussian numbers, those of docs/nano.js: mulberry32, whose numbers become Gaussian in pairs by Box and Muller."""
    a = np.uint32(seed) + np.arange(1, n + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
    a = (a ^ a >> 15) * (a | 1)
    a ^= a + (a ^ a >> 7) * (a | 61)
    u, v = ((a ^ a >> 14) / 2**32).reshape(-1, 2).T
    return (np.sqrt(-2 * np.log(1 - u)) * np.exp(2j * np.pi * v)).view(float).astype(np.float32)  # cosine, sine, cosine, ...


def decode(nb, z):
    """The numbers of the colours (B, 16, 16): the notebook's decode, before they are looked up in the palette."""
    return nb.vae.decode(z * nb.std + nb.mean).argmax(1).to(torch.uint8)


def draw(nb, net, decoder, prompts, z_T, guidance=2.0, steps=20):
    """Colour numbers (B, 16, 16): the notebook's own sampler with this net, decoder and initial noise."""
    with mock.patch.object(torch, "randn", lambda *shape: torch.as_tensor(z_T).reshape(shape)), torch.no_grad():
        return decoder(nb.sample(net, nb.tokenize(prompts), guidance, steps)[-1]).numpy()


def graphs(nb):
    """The bytes of the three graphs by the names of their files."""
    tau, net = nb.net.tau, nb.UNet(nb.WIDTH, "QKV")
    net.load_state_dict(nb.net.state_dict())
    net.tau, forward = nn.Identity(), net.forward  # it is given what tau has said

    def unet(z_t, t, words, empty):
        z_0 = forward(z_t, t, (words, empty))
        return z_0, net.look[3].weights.mean(1).transpose(1, 2).unflatten(2, (8, 8))  # (B, M, 8, 8), as in section 9

    net.forward, nb.vae.forward = unet, lambda z: decode(nb, z)
    z, tokens = torch.randn(2, 4, 8, 8), torch.zeros(2, nb.MAX_WORDS, dtype=torch.int32)
    words, empty = (part.detach() for part in tau(tokens))
    unet_onnx = to_onnx(net, {"z_t": z, "t": torch.ones(2), "words": words, "empty": empty}, ["z_0", "weights"])
    tau_onnx, decoder_onnx = to_onnx(tau, {"tokens": tokens}, ["words", "empty"]), to_onnx(nb.vae, {"z": z}, ["index"])
    return {"tau.onnx": tau_onnx, "unet.onnx": unet_onnx, "decoder.onnx": decoder_onnx}


def to_onnx(module, inputs, outputs):
    """A network as ONNX, for any size of batch; weights in half precision where that loses nothing, and no notes."""
    from onnx import TensorProto, helper, numpy_helper

    how = {"dynamic_shapes": tuple({0: torch.export.Dim("B", min=1)} for _ in inputs), "input_names": list(inputs)}
    how.update(output_names=outputs, dynamo=True, opset_version=OPSET, verbose=False)
    model = torch.onnx.export(module.eval(), tuple(inputs.values()), **how).model_proto
    for part in (model, model.graph, *model.graph.node):
        del part.metadata_props[:]
    del model.graph.value_info[:]
    for tensor in model.graph.initializer:
        numbers, name = numpy_helper.to_array(tensor), tensor.name
        half = numbers.clip(-65504, 65504).astype(np.float16)
        if numbers.dtype == np.float32 and (half == numbers).all():
            tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
            model.graph.node.insert(0, helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    return model.SerializeToString(deterministic=True)


def patterns(nb):
    """For the menus: the patterns that captions follow, with the words of each kind; then the words that are left."""
    train, found, rest = nb.data["split"] == 0, [], set(nb.vocabulary[1:])
    captions = set(zip(nb.data["class_names"][nb.data["labels"][train]], np.char.lower(nb.data["captions"][train])))
    for name, (label, template) in PATTERNS.items():
        kinds = re.findall(r"\{.+?\}|\S+", template)
        forms = [r"(?:(\S+) )?" if kind[-2:] == "?}" else r"(\S+) " if kind[0] == "{" else f"({kind}) " for kind in kinds]
        fits = {key: re.fullmatch("".join(forms), key[1] + " ") for key in captions if key[0] == label}
        captions -= {key for key, fit in fits.items() if fit}
        columns = [set(filter(None, column)) for column in zip(*(fit.groups() for fit in fits.values() if fit))]
        rest = rest.difference(*columns)
        slots = [{"kind": k.strip("{?}"), "words": sorted(w), "optional": "?" in k} for k, w in zip(kinds, columns)]
        found += [{"name": name, "slots": slots}] * bool(slots)
    return found + [{"name": "other", "slots": [{"kind": "word", "words": sorted(rest), "optional": False}]}] * bool(rest)


def facts(nb, files):
    """model.json: what the page needs beside the graphs, and their sizes and checksums as `integrity` writes them."""
    known = [caption for caption in nb.captions_test if caption]
    about = {name: getattr(nb, name) for name in ("T", "MAX_WORDS", "GUIDANCE", "vocabulary")}
    about.update(palette=nb.data["palette"].tolist(), patterns=patterns(nb), alpha_bar=[float(f"{a:.9g}") for a in nb.alpha_bar])
    first = next((c for c in ["side long red hair blue robe sword"] if set(c.split()) <= nb.known), known[0])
    about.update(prompt=first, examples=sorted(set(known[:: max(1, len(known) // 60)])))
    sums = {name: base64.b64encode(hashlib.sha384(content).digest()).decode() for name, content in files.items()}
    about.update(files={name: {"bytes": len(files[name]), "integrity": f"sha384-{sums[name]}"} for name in files})
    return {**about, "made_of": hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()}


def networks(files):
    """The U-Net (with tau) and the decoder as onnxruntime computes them: two functions like the notebook's."""
    import onnxruntime

    def load(name):
        session = onnxruntime.InferenceSession(files[f"{name}.onnx"])
        given = [known.name for known in session.get_inputs()]
        return lambda *inputs: map(torch.from_numpy, session.run(None, dict(zip(given, map(np.asarray, inputs)))))

    tau, unet, decoder = load("tau"), load("unet"), load("decoder")
    return lambda z_t, t, tokens: next(unet(z_t, t.float(), *tau(tokens.int()))), lambda z: next(decoder(z))


def equal_pixels(nb, files, number=200):
    """The share of the pixels that onnxruntime and PyTorch draw alike, over so many prompts, each with a seed of its own."""
    prompts = [nb.captions_test[k * len(nb.captions_test) // number] for k in range(number)]
    z_T = np.stack([noise(seed, 256) for seed in range(number)])
    return (draw(nb, *networks(files), prompts, z_T) == draw(nb, nb.net, lambda z: decode(nb, z), prompts, z_T)).mean()


if __name__ == "__main__":
    nb = open_model()
    files = graphs(nb)
    equal, size = equal_pixels(nb, files), sum(map(len, files.values()))
    if size > MOST_BYTES or equal < LEAST_EQUAL:
        raise SystemExit(f"{TARGET} stays as it was: {size:,} bytes, and only {equal:.2%} of the pixels equal to PyTorch's.")
    files["model.json"] = json.dumps(facts(nb, files), separators=(",", ":")).encode()
    for name, content in files.items():
        (TARGET / name).write_bytes(content)
    print(f"{TARGET}: {size + len(files['model.json']):,} bytes, {equal:.3%} of the pixels of 200 prompts equal to PyTorch's.")
