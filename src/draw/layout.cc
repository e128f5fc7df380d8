// Layered layout (Sugiyama, Tagawa and Toda 1981): ranks by longest path, order within a rank by
// barycentres, places by least squares. Boxes stand on ranks from above to below, edges that cross
// ranks pass through points of their own there.
#include <algorithm>
#include <limits>
#include <numeric>

#include "draw/scene.h"

namespace lamina::draw {
namespace {

constexpr double kBoxGap = 22.0;
constexpr double kRankGap = 30.0;
constexpr double kZonePad = 10.0;
constexpr double kZoneTitle = 20.0;
constexpr int kSweeps = 12;
constexpr std::size_t kMostPoints = 100000;  // where edges pass ranks
constexpr int kLongEdge = 20;
constexpr double kLineWeight = 4.0;  // long edges give way less than boxes do

// The end of an edge: a vertex, and how far from its centre the edge arrives.
struct Link {
  int vertex = 0;
  double offset = 0.0;
};

// A box, or where an edge passes a rank (box -1).
struct Vertex {
  int box = -1;
  int rank = 0;
  double x = 0.0;  // of the centre
  double width = 8.0;
  std::vector<Link> above;
  std::vector<Link> below;
};

void measure(Box& box) {
  for (Scene& scene : box.inner) lay_out(scene);
  double width = text_width(box.title) * 1.1;
  for (const std::string& line : box.lines) width = std::max(width, text_width(line));
  double strips = 0.0;
  for (const Strip& strip : box.strips) strips += strip_width(strip);
  double inner_width = 0.0;
  double inner_height = 0.0;
  for (const Scene& scene : box.inner) {
    inner_width += scene.width + kMargin;
    inner_height = std::max(inner_height, scene.height);
  }
  box.width = std::max({width + 20, strips, inner_width + kMargin, 60.0});
  box.height = 8 + kLine * (1.0 + static_cast<double>(box.lines.size())) +
               (box.strips.empty() ? 0 : kStripHeight) +
               (box.inner.empty() ? 0 : inner_height + 2 * kMargin);
}

// Where an edge ends at a box inside the frame, from the frame's corner.
Point entry_place(const Box& frame, const Edge& edge) {
  double x = kMargin;
  for (int i = 0; i < edge.inner; ++i) {
    x += frame.inner[static_cast<std::size_t>(i)].width + kMargin;
  }
  const Scene& scene = frame.inner[static_cast<std::size_t>(edge.inner)];
  const Box& entry = scene.boxes[static_cast<std::size_t>(edge.entry)];
  return {x + entry.at.x + entry.width / 2, inner_top(frame) - frame.at.y + entry.at.y};
}

class Layout {
 public:
  explicit Layout(Scene& scene) : scene_(scene) {}

  void run() {
    for (Box& box : scene_.boxes) measure(box);
    rank_boxes();
    add_vertices();
    for (int sweep = 0; sweep < kSweeps; ++sweep) order(sweep % 2 == 0);
    pack();
    for (int sweep = 0; sweep < kSweeps; ++sweep) straighten(sweep % 2 == 0);
    place_boxes();
    place_zones();
    route();
  }

 private:
  Box& box(int i) { return scene_.boxes[static_cast<std::size_t>(i)]; }
  std::vector<int>& rank(int i) { return ranks_[static_cast<std::size_t>(i)]; }
  int& rank_of(int i) { return rank_of_[static_cast<std::size_t>(i)]; }

  void rank_boxes();
  void lower_sources();
  void add_vertices();
  void order(bool down);
  void pack();
  void straighten(bool down);
  void settle(std::vector<int>& row, const std::vector<double>& wanted);
  double barycentre(const Vertex& vertex, bool down, bool ordinal) const;
  void place_boxes();
  void place_zones();
  void route();
  Point start(const Edge& edge);
  Point end(const Edge& edge, std::size_t index, std::size_t count);

  Scene& scene_;
  std::vector<int> rank_of_;
  std::vector<Vertex> vertices_;
  std::vector<std::vector<int>> ranks_;
  std::vector<std::vector<int>> chains_;  // per edge: the vertices that it passes, ends included
  std::vector<double> top_;               // of each rank, and its bottom
  std::vector<double> bottom_;
};

// Longest paths; a band begins below all that is above it.
void Layout::rank_boxes() {
  rank_of_.assign(scene_.boxes.size(), 0);
  int first = 0;
  for (const Band band : {Band::kEntry, Band::kBefore, Band::kBody, Band::kAfter, Band::kExit}) {
    int last = first - 1;
    std::vector<int> members;
    for (std::size_t i = 0; i < scene_.boxes.size(); ++i) {
      if (scene_.boxes[i].band == band) members.push_back(static_cast<int>(i));
    }
    for (const int i : members) rank_of(i) = first;
    // Ports are made when they are first read, after the boxes of earlier nodes: until it is
    // stable.
    for (bool changed = true; changed;) {
      changed = false;
      for (const Edge& edge : scene_.edges) {
        if (box(edge.to).band != band || box(edge.from).band != band) continue;
        if (rank_of(edge.to) > rank_of(edge.from)) continue;
        rank_of(edge.to) = rank_of(edge.from) + 1;
        changed = true;
      }
    }
    for (const int i : members) last = std::max(last, rank_of(i));
    first = last + 1;
  }
  lower_sources();
}

// What nothing stands above moves down to the rank above its first reader.
void Layout::lower_sources() {
  for (std::size_t i = 0; i < scene_.boxes.size(); ++i) {
    const int self = static_cast<int>(i);
    if (box(self).band == Band::kEntry) continue;
    int lowest = std::numeric_limits<int>::max();
    bool source = true;
    for (const Edge& edge : scene_.edges) {
      if (edge.to == self) source = false;
      if (edge.from != self) continue;
      if (box(edge.to).band != box(self).band) source = false;
      lowest = std::min(lowest, rank_of(edge.to) - 1);
    }
    if (source && lowest != std::numeric_limits<int>::max()) {
      rank_of(self) = std::max(rank_of(self), lowest);
    }
  }
}

void Layout::add_vertices() {
  const int count = rank_of_.empty() ? 0 : *std::max_element(rank_of_.begin(), rank_of_.end()) + 1;
  ranks_.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < scene_.boxes.size(); ++i) {
    const int self = static_cast<int>(i);
    vertices_.push_back({self, rank_of(self), 0.0, box(self).width, {}, {}});
    rank(rank_of(self)).push_back(self);
  }
  std::size_t points = 0;
  for (const Edge& edge : scene_.edges) {
    points += static_cast<std::size_t>(std::max(0, rank_of(edge.to) - rank_of(edge.from)));
  }
  for (const Edge& edge : scene_.edges) {
    std::vector<int> chain{edge.from};
    // Of too many long edges each goes straight, whatever it crosses.
    const bool straight = points > kMostPoints && rank_of(edge.to) - rank_of(edge.from) > kLongEdge;
    for (int r = rank_of(edge.from) + 1; r < rank_of(edge.to) && !straight; ++r) {
      chain.push_back(static_cast<int>(vertices_.size()));
      rank(r).push_back(chain.back());
      vertices_.push_back({-1, r, 0.0, 8.0, {}, {}});
    }
    chain.push_back(edge.to);
    for (std::size_t k = 0; k + 1 < chain.size(); ++k) {
      const double offset = k + 2 == chain.size() && edge.inner >= 0
                                ? entry_place(box(edge.to), edge).x - box(edge.to).width / 2
                                : 0.0;
      vertices_[static_cast<std::size_t>(chain[k])].below.push_back({chain[k + 1], offset});
      vertices_[static_cast<std::size_t>(chain[k + 1])].above.push_back({chain[k], -offset});
    }
    chains_.push_back(std::move(chain));
  }
}

// The mean place of the neighbours in the rank above (or below); its own place without any. While
// places are numbers in a rank (`ordinal`), offsets count in widths.
double Layout::barycentre(const Vertex& vertex, bool down, bool ordinal) const {
  const std::vector<Link>& near = down ? vertex.above : vertex.below;
  if (near.empty()) return vertex.x;
  double sum = 0.0;
  for (const Link& link : near) {
    const Vertex& other = vertices_[static_cast<std::size_t>(link.vertex)];
    const double width = down ? vertex.width : other.width;
    sum += other.x + (ordinal ? link.offset / width : link.offset);
  }
  return sum / static_cast<double>(near.size());
}

void Layout::order(bool down) {
  const auto count = static_cast<int>(ranks_.size());
  for (int k = 0; k < count; ++k) {
    std::vector<int>& row = rank(down ? k : count - 1 - k);
    std::vector<std::pair<double, int>> keys;
    for (const int i : row) {
      keys.emplace_back(barycentre(vertices_[static_cast<std::size_t>(i)], down, true), i);
    }
    std::stable_sort(keys.begin(), keys.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t j = 0; j < row.size(); ++j) {
      row[j] = keys[j].second;
      vertices_[static_cast<std::size_t>(row[j])].x =
          static_cast<double>(j) - static_cast<double>(row.size()) / 2;
    }
  }
}

// Side by side, every rank centred at 0.
void Layout::pack() {
  for (std::vector<int>& row : ranks_) {
    double total = -kBoxGap;
    for (const int i : row) total += vertices_[static_cast<std::size_t>(i)].width + kBoxGap;
    double x = -total / 2;
    for (const int i : row) {
      Vertex& vertex = vertices_[static_cast<std::size_t>(i)];
      vertex.x = x + vertex.width / 2;
      x += vertex.width + kBoxGap;
    }
  }
}

void Layout::straighten(bool down) {
  const auto count = static_cast<int>(ranks_.size());
  for (int k = 0; k < count; ++k) {
    std::vector<int>& row = rank(down ? k : count - 1 - k);
    std::vector<double> wanted;
    for (const int i : row) {
      wanted.push_back(barycentre(vertices_[static_cast<std::size_t>(i)], down, false));
    }
    settle(row, wanted);
  }
}

// The places nearest to the wanted ones (least squares) that keep order and gaps: neighbours that
// would overlap are pooled and move together.
void Layout::settle(std::vector<int>& row, const std::vector<double>& wanted) {
  struct Pool {
    double sum;
    double weight;
    int members;
    double mean() const { return sum / weight; }
  };
  std::vector<Pool> pools;
  std::vector<double> offsets;
  double offset = 0.0;
  for (std::size_t j = 0; j < row.size(); ++j) {
    const double half = vertices_[static_cast<std::size_t>(row[j])].width / 2;
    if (j > 0) offset += half;
    offsets.push_back(offset);
    offset += half + kBoxGap;
    const double weight = vertices_[static_cast<std::size_t>(row[j])].box < 0 ? kLineWeight : 1.0;
    pools.push_back({(wanted[j] - offsets[j]) * weight, weight, 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean() > pools.back().mean()) {
      const Pool last = pools.back();
      pools.pop_back();
      pools.back().sum += last.sum;
      pools.back().weight += last.weight;
      pools.back().members += last.members;
    }
  }
  std::size_t j = 0;
  for (const Pool& pool : pools) {
    for (int n = 0; n < pool.members; ++n, ++j) {
      vertices_[static_cast<std::size_t>(row[j])].x = pool.mean() + offsets[j];
    }
  }
}

void Layout::place_boxes() {
  double left = vertices_.empty() ? 0.0 : std::numeric_limits<double>::max();
  double right = vertices_.empty() ? 0.0 : std::numeric_limits<double>::lowest();
  for (const Vertex& vertex : vertices_) {
    left = std::min(left, vertex.x - vertex.width / 2);
    right = std::max(right, vertex.x + vertex.width / 2);
  }
  const double pad = scene_.zones.empty() ? 0.0 : kZonePad;
  for (Vertex& vertex : vertices_) vertex.x += pad - left;
  scene_.width = right - left + 2 * pad;
  double y = 0.0;
  Band before = Band::kEntry;
  for (const std::vector<int>& row : ranks_) {
    double height = 0.0;
    Band band = before;
    for (const int i : row) {
      if (vertices_[static_cast<std::size_t>(i)].box < 0) continue;
      height = std::max(height, box(i).height);
      band = box(i).band;
    }
    if (band != before && !scene_.zones.empty()) y += kZoneTitle;
    before = band;
    top_.push_back(y);
    bottom_.push_back(y + height);
    for (const int i : row) {
      const Vertex& vertex = vertices_[static_cast<std::size_t>(i)];
      if (vertex.box >= 0) box(i).at = {vertex.x - vertex.width / 2, y};
    }
    y += height + kRankGap;
  }
  scene_.height = std::max(0.0, y - kRankGap);
}

// Zones span the scene and the ranks of their band.
void Layout::place_zones() {
  std::vector<Zone> used;
  for (Zone zone : scene_.zones) {
    double top = std::numeric_limits<double>::max();
    double bottom = 0.0;
    for (const Box& each : scene_.boxes) {
      if (each.band != zone.band) continue;
      top = std::min(top, each.at.y);
      bottom = std::max(bottom, each.at.y + each.height);
    }
    if (bottom <= 0.0) continue;
    zone.at = {0.0, top - kZoneTitle - 2};
    zone.width = scene_.width;
    zone.height = bottom + kZonePad - zone.at.y;
    used.push_back(zone);
  }
  scene_.zones = std::move(used);
}

Point Layout::start(const Edge& edge) {
  const Box& from = box(edge.from);
  const double y = from.at.y + from.height;
  if (from.strips.empty()) return {from.at.x + from.width / 2, y};
  const std::vector<double> ends = strip_ends(from);
  const auto strip = static_cast<std::size_t>(edge.strip);
  return {from.at.x + (ends[strip] + ends[strip + 1]) / 2, y};
}

// The upper end of the box inside the frame, or a place of its own among the edges to a box.
Point Layout::end(const Edge& edge, std::size_t index, std::size_t count) {
  const Box& to = box(edge.to);
  if (edge.inner >= 0) {
    const Point entry = entry_place(to, edge);
    return {to.at.x + entry.x, to.at.y + entry.y};
  }
  const double share = (static_cast<double>(index) + 1) / (static_cast<double>(count) + 1);
  return {to.at.x + to.width * share, to.at.y};
}

void Layout::route() {
  for (std::size_t e = 0; e < scene_.edges.size(); ++e) {
    const std::vector<int>& chain = chains_[e];
    Edge& edge = scene_.edges[e];
    edge.path = {start(edge)};
    for (std::size_t k = 1; k + 1 < chain.size(); ++k) {
      const Vertex& vertex = vertices_[static_cast<std::size_t>(chain[k])];
      edge.path.push_back({vertex.x, top_[static_cast<std::size_t>(vertex.rank)]});
      edge.path.push_back({vertex.x, bottom_[static_cast<std::size_t>(vertex.rank)]});
    }
  }
  // Ends are handed out from left to right, in the order in which the edges arrive.
  for (std::size_t b = 0; b < scene_.boxes.size(); ++b) {
    std::vector<Edge*> arriving;
    for (Edge& edge : scene_.edges) {
      if (edge.to == static_cast<int>(b)) arriving.push_back(&edge);
    }
    std::stable_sort(arriving.begin(), arriving.end(), [](const Edge* a, const Edge* b) {
      return a->path.back().x < b->path.back().x;
    });
    for (std::size_t i = 0; i < arriving.size(); ++i) {
      arriving[i]->path.push_back(end(*arriving[i], i, arriving.size()));
    }
  }
}

}  // namespace

double strip_width(const Strip& strip) { return text_width(strip.text) + 12; }

std::vector<double> strip_ends(const Box& box) {
  double total = 0.0;
  for (const Strip& strip : box.strips) total += strip_width(strip);
  std::vector<double> ends{0.0};
  for (const Strip& strip : box.strips) {
    ends.push_back(ends.back() + box.width * strip_width(strip) / total);
  }
  return ends;
}

double inner_top(const Box& box) {
  return box.at.y + 8 + kLine * (1.0 + static_cast<double>(box.lines.size())) + kMargin;
}

void lay_out(Scene& scene) { Layout(scene).run(); }

}  // namespace lamina::draw
