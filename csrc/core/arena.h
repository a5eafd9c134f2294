// One allocation for all working memory of a call: plan every array, then commit.
#pragma once

#include <cstddef>
#include <mutex>
#include <new>
#include <vector>

namespace pycap {

// Blocks of memory that finished calls left for the next: fresh ones cost a page fault every 4 KB.
class BlockCache {
 public:
  struct Block {
    void* memory;
    size_t size;
  };

  static BlockCache& shared() {
    static BlockCache* cache = new BlockCache;  // never freed: threads may outlive static destruction
    return *cache;
  }

  Block take(size_t size) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);  // a forked child may find it locked
    if (lock.owns_lock()) {
      size_t best = blocks_.size();
      for (size_t i = 0; i < blocks_.size(); ++i)
        if (blocks_[i].size >= size && (best == blocks_.size() || blocks_[i].size < blocks_[best].size))
          best = i;
      if (best < blocks_.size()) {
        const Block block = blocks_[best];
        blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(best));
        return block;
      }
    }
    return {::operator new(size, kAlignment), size};
  }

  void give(Block block) {
    const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock() || block.size > kLargest) return ::operator delete(block.memory, kAlignment);
    blocks_.push_back(block);
    if (blocks_.size() <= kMost) return;
    ::operator delete(blocks_.front().memory, kAlignment);  // the one that was not wanted for longest
    blocks_.erase(blocks_.begin());
  }

 private:
  static constexpr std::align_val_t kAlignment{64};
  static constexpr size_t kMost = 8, kLargest = size_t{64} << 20;  // blocks kept, bytes of each at most

  std::mutex mutex_;
  std::vector<Block> blocks_;
};

class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    if (block_.memory) BlockCache::shared().give(block_);
  }

  // Let `pointer` have `count` elements, uninitialised, 64-byte aligned, once commit() is called.
  template <class T>
  void plan(T*& pointer, size_t count) {
    places_.push_back({reinterpret_cast<void**>(&pointer), size_});
    size_ += (count * sizeof(T) + 63) / 64 * 64;
  }

  void commit() {
    block_ = BlockCache::shared().take(size_ + 64);
    for (const Place& place : places_) *place.pointer = static_cast<char*>(block_.memory) + place.offset;
  }

 private:
  struct Place {
    void** pointer;
    size_t offset;
  };

  std::vector<Place> places_;
  size_t size_ = 0;
  BlockCache::Block block_{};
};

}  // namespace pycap
