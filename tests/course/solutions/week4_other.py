"""Week 4 in another style: plain loops, lists, torch."""

import torch


def clean(text):
    out, rest = "", text
    while "<" in rest and ">" in rest[rest.index("<") :]:
        start = rest.index("<")
        out, rest = out + rest[:start] + " ", rest[rest.index(">", start) + 1 :]
    text = (out + rest).translate({0x2019: "'", 0x2018: "'", 0x201C: '"', 0x201D: '"'})
    return " ".join(text.lower().split())


def build_vocabulary(sentences, min_count):
    counts = {}
    for words in sentences:
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    ranked = sorted(sorted(counts), key=counts.get, reverse=True)
    vocabulary = {}
    for word in ranked:
        if counts[word] >= min_count:
            vocabulary[word] = len(vocabulary) + 4
    return vocabulary


def encode_batch(sentences, vocabulary, max_words):
    rows = []
    for words in sentences:
        row = []
        for word in words:
            if len(row) == max_words:
                break
            known = word in vocabulary
            row.append(vocabulary[word]) if known else row.append(3)
        rows.append(torch.tensor([*row, 2]))
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), [len(row) for row in rows]


def skip_gram_pairs(ids, window):
    pairs = []
    for distance in range(1, window + 1):
        for left, right in zip(ids, ids[distance:], strict=False):
            pairs += [[left, right], [right, left]]
    return pairs


def negative_samples(random, counts, neighbours, number):
    rows = []
    for true in neighbours:
        weights = [float(count) ** 0.75 if i != true else 0.0 for i, count in enumerate(counts)]
        total = sum(weights)
        rows.append(random.choice(len(weights), number, p=[weight / total for weight in weights]).tolist())
    return rows


def skip_gram_step(centre, neighbour, centres, neighbours, negatives, rate):
    v = torch.tensor(centre, requires_grad=True)
    u = torch.tensor(neighbour, requires_grad=True)
    middle = v[torch.tensor(centres)]
    near = (u[torch.tensor(neighbours)] * middle).sum(1)
    far = (u[torch.tensor(negatives)] * middle[:, None]).sum(2)
    true = torch.nn.functional.logsigmoid(near)
    loss = -(true + torch.nn.functional.logsigmoid(-far).sum(1)).mean()
    loss.backward()
    return loss.item(), (v - rate * v.grad).detach(), (u - rate * u.grad).detach()
