// event_queue.h - a request's events for a thread that waits for them.
//
//   EventQueue queue;
//   engine.Submit(request, queue.handler());
//   while (std::optional<Event> event = queue.Pop(timeout)) ...
#ifndef FATHOM_ENGINE_EVENT_QUEUE_H_
#define FATHOM_ENGINE_EVENT_QUEUE_H_

#include <chrono>
#include <memory>
#include <optional>

#include "base/blocking_queue.h"
#include "engine/request.h"

namespace fathom {

class EventQueue {
 public:
  // Hands every event over and always goes on. May be called after the queue is gone.
  EventHandler handler() const {
    return [events = events_](const Event& event) {
      events->Push(event);
      return true;
    };
  }

  // The next event; nothing if none arrives in time.
  std::optional<Event> Pop(std::chrono::milliseconds timeout) { return events_->Pop(timeout); }

 private:
  std::shared_ptr<BlockingQueue<Event>> events_ = std::make_shared<BlockingQueue<Event>>();
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_EVENT_QUEUE_H_
