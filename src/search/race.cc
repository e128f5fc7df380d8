// Races between equal programs.
#include "search/race.h"

namespace lamina::search {

std::vector<std::vector<Timing>> race(std::span<ColdProgram*> contenders,
                                      std::span<const std::vector<Tensor>> bindings,
                                      const TimingOptions& options) {
  std::vector<std::vector<Timing>> result(contenders.size());
  for (const std::vector<Tensor>& inputs : bindings) {
    std::vector<std::function<void()>> runs;
    for (ColdProgram* contender : contenders) {
      contender->bind(inputs);
      runs.emplace_back([contender] { contender->run(); });
    }
    const std::vector<Timing> timings = time_interleaved(runs, options);
    for (std::size_t c = 0; c < contenders.size(); ++c) result[c].push_back(timings[c]);
  }
  return result;
}

}  // namespace lamina::search
