import type { Delivery, Outcome } from './message.ts'
import { Problem } from './problem.ts'
import { type DeliveryRequest, requestOf } from './request.ts'
import { settle } from './settle.ts'
import type { World } from './world.ts'

/** A delivery that a test has taken and must complete by its id. */
export type PulledDelivery = DeliveryRequest & { id: string }

/** Resolves when a message may be taken, when nothing is in flight any more, or after `waitMs`. */
function waitForReady({ outbox }: World, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      stopReady()
      stopChange()
      resolve()
    }
    const timer = setTimeout(done, waitMs).unref()
    const stopReady = outbox.onReady(done)
    const stopChange = outbox.onChange(() => {
      if (outbox.counts.inFlight === 0) done()
    })
  })
}

/**
 * Takes the next due delivery. While others are in flight, which may have something due, it waits up to `waitMs` for one.
 */
export async function takeDelivery(world: World, waitMs: number): Promise<PulledDelivery | undefined> {
  const end = Date.now() + waitMs
  for (;;) {
    world.timers.fire()
    const delivery = world.outbox.next()
    if (delivery) return { id: delivery.id, ...(await requestOf(world, delivery.message)) }
    const left = end - Date.now()
    if (left <= 0 || world.outbox.counts.inFlight === 0) return undefined
    await waitForReady(world, left)
  }
}

/** Real milliseconds until something may be due; undefined when nothing is pending at all. */
export function nextDueInMs(world: World): number | undefined {
  const at = world.timers.nextAt()
  if (at !== undefined) return Math.max(0, Math.ceil(at - world.clock.ticks()))
  const { held, ready, inFlight } = world.outbox.counts
  return held + ready + inFlight > 0 ? 0 : undefined
}

/** Completes a taken delivery as an HTTP response or a network failure would. */
export function completeDelivery(world: World, id: string, outcome: Outcome): void {
  const delivery: Delivery | undefined = world.outbox.delivery(id)
  if (!delivery) throw new Problem(404, `no delivery ${id} is out`)
  settle(world, delivery, outcome)
}
