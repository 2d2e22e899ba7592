// event_queue.h - a request's events for a thread that waits for them.
//
//   EventQueue queue;
//   engine.Submit(request, queue.handler());
//   while (std::optional<Event> event = queue.Pop(timeout)) ...
#ifndef FATHOM_ENGINE_EVENT_QUEUE_H_
#define FATHOM_ENGINE_EVENT_QUEUE_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "engine/request.h"

namespace fathom {

// Unbounded: for readers that keep up, such as a terminal.
class EventQueue {
 public:
  // Hands every event over and always goes on. May be called after the queue is gone.
  EventHandler handler() const {
    return [state = state_](const Event& event) {
      const std::lock_guard lock(state->mutex);
      state->events.push_back(event);
      state->arrived.notify_one();
      return true;
    };
  }

  // The next event; nothing if none arrives in time.
  std::optional<Event> Pop(std::chrono::milliseconds timeout) {
    std::unique_lock lock(state_->mutex);
    if (!state_->arrived.wait_for(lock, timeout, [&] { return !state_->events.empty(); })) return std::nullopt;
    std::optional<Event> event = std::move(state_->events.front());
    state_->events.pop_front();
    return event;
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable arrived;
    std::deque<Event> events;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_EVENT_QUEUE_H_
