// Every rank adds up its share of the elements, then the shares are passed around.
#include "pipeline/comm/ordered_sum.h"

#include <algorithm>

#include "base/check.h"

namespace lamina::pipeline {
namespace {

std::span<std::byte> part(Tensor& tensor, const Elements& elements) {
  const std::int64_t each = traits(tensor.dtype()).block_bytes;
  return std::span(tensor.data(), tensor.bytes())
      .subspan(static_cast<std::size_t>(elements.begin * each),
               static_cast<std::size_t>(elements.size() * each));
}

void wait_all(Transport& transport, std::vector<int>& messages) {
  for (const int message : messages) transport.wait(message);
  messages.clear();
}

// own = terms[0] + terms[1] + ..., one of which is `own` itself.
void add_in_order(std::span<float> own, const std::vector<std::span<const float>>& terms) {
  for (std::size_t i = 0; i < own.size(); ++i) {
    float sum = terms[0][i];
    for (std::size_t t = 1; t < terms.size(); ++t) sum += terms[t][i];
    own[i] = sum;
  }
}

}  // namespace

Elements owned(const Group& group, int place, std::int64_t count) {
  return {count * place / group.size(), count * (place + 1) / group.size()};
}

void sum_owned(Transport& transport, const Group& group, int tag, std::span<Tensor> tensors) {
  if (group.size() < 2) return;
  std::vector<int> sends;
  for (Tensor& tensor : tensors) {
    for (int p = 0; p < group.size(); ++p) {
      if (p == group.place) continue;
      const Elements theirs = owned(group, p, tensor.size());
      sends.push_back(
          transport.send(group.ranks[static_cast<std::size_t>(p)], tag, part(tensor, theirs)));
    }
  }
  std::vector<float> others;
  for (Tensor& tensor : tensors) {
    const Elements mine = owned(group, group.place, tensor.size());
    const auto size = static_cast<std::size_t>(mine.size());
    const std::span<float> own =
        tensor.span<float>().subspan(static_cast<std::size_t>(mine.begin), size);
    others.resize(size * static_cast<std::size_t>(group.size()));
    std::vector<std::span<const float>> terms;
    std::vector<int> receives;
    for (int p = 0; p < group.size(); ++p) {
      if (p == group.place) {
        terms.push_back(own);
        continue;
      }
      const auto theirs = std::span(others).subspan(size * static_cast<std::size_t>(p), size);
      receives.push_back(transport.receive(group.ranks[static_cast<std::size_t>(p)], tag,
                                           std::as_writable_bytes(theirs)));
      terms.push_back(theirs);
    }
    wait_all(transport, receives);
    add_in_order(own, terms);
  }
  wait_all(transport, sends);
}

void gather_owned(Transport& transport, const Group& group, int tag, std::span<Tensor> tensors) {
  if (group.size() < 2) return;
  std::vector<int> messages;
  for (Tensor& tensor : tensors) {
    const Elements mine = owned(group, group.place, tensor.size());
    for (int p = 0; p < group.size(); ++p) {
      if (p == group.place) continue;
      const int rank = group.ranks[static_cast<std::size_t>(p)];
      messages.push_back(
          transport.receive(rank, tag, part(tensor, owned(group, p, tensor.size()))));
      messages.push_back(transport.send(rank, tag, part(tensor, mine)));
    }
  }
  wait_all(transport, messages);
}

void sum_numbers(Transport& transport, int tag, std::span<double> numbers) {
  const int ranks = transport.ranks();
  const auto bytes = std::as_writable_bytes(numbers);
  std::vector<int> messages;
  if (transport.rank() != 0) {
    messages.push_back(transport.send(0, tag, bytes));
    wait_all(transport, messages);
    transport.wait(transport.receive(0, tag, bytes));
    return;
  }
  std::vector<std::vector<double>> others(static_cast<std::size_t>(ranks));
  for (int r = 1; r < ranks; ++r) {
    auto& theirs = others[static_cast<std::size_t>(r)];
    theirs.resize(numbers.size());
    messages.push_back(transport.receive(r, tag, std::as_writable_bytes(std::span(theirs))));
  }
  wait_all(transport, messages);
  for (int r = 1; r < ranks; ++r) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] += others[static_cast<std::size_t>(r)][i];
    }
  }
  for (int r = 1; r < ranks; ++r) messages.push_back(transport.send(r, tag, bytes));
  wait_all(transport, messages);
}

}  // namespace lamina::pipeline
