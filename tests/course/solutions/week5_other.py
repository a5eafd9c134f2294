"""The same answers in another style: loops, lists, torch, einsum."""

import math

import numpy as np
import torch


def masked_softmax(scores, mask):
    rows = []
    for row, allowed in zip(np.asarray(scores).tolist(), np.asarray(mask).tolist(), strict=True):
        top = max(s for s, ok in zip(row, allowed, strict=True) if ok)
        raised = [math.exp(s - top) if ok else 0.0 for s, ok in zip(row, allowed, strict=True)]
        rows.append([r / sum(raised) for r in raised])
    return rows


def attend_additive(features, keys, query, score, mask):
    features, keys, query, score = (torch.as_tensor(a) for a in (features, keys, query, score))
    energy = torch.einsum("bra,a->br", torch.tanh(keys + query.unsqueeze(1)), score)
    weights = energy.masked_fill(~torch.as_tensor(mask), -torch.inf).softmax(-1)
    return torch.bmm(weights.unsqueeze(1), features).squeeze(1), weights


def attend_dot_product(query, key, value, causal=False):
    context, weights = [], []
    for i, q in enumerate(query):
        places = i + 1 if causal else len(key)
        row = [float(np.dot(q, key[j])) / math.sqrt(len(q)) for j in range(places)]
        row = masked_softmax([row], [[True] * places])[0] + [0.0] * (len(key) - places)
        weights.append(row)
        context.append(sum(w * v for w, v in zip(row, value, strict=True)))
    return np.array(context), np.array(weights)


def attention_gradient(query, key, value, grad_averages):
    leaves = [torch.tensor(np.array(a), requires_grad=True) for a in (query, key, value)]
    q, k, v = leaves
    out = torch.nn.functional.scaled_dot_product_attention(q[None, None], k[None, None], v[None, None])[0, 0]
    out.backward(torch.tensor(np.array(grad_averages)))
    return [leaf.grad for leaf in leaves]


def attend_multi_head(features, project, merge, heads):
    width = features.shape[1]
    if width % heads != 0:
        raise ValueError("heads")
    query, key, value = np.split(features @ project, 3, axis=1)
    size = width // heads
    outs, looks = [], []
    for h in range(heads):
        block = slice(h * size, (h + 1) * size)
        out, look = attend_dot_product(query[:, block], key[:, block], value[:, block])
        outs.append(out)
        looks.append(look)
    return np.hstack(outs).dot(merge), looks


def translate_greedily(step, state, start, end, limit):
    def go(token, state, left):
        if left == 0:
            return []
        scores, state = step(token, state)
        best = max(range(len(scores)), key=lambda i: scores[i])
        return [] if best == end else [best, *go(best, state, left - 1)]

    return go(start, state, limit)
