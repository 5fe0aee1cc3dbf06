import { z } from 'zod'
import { adminToken } from '../local/stack.ts'
import { eventsOf } from '../support/streams.ts'

const batchSchema = z.object({ status: z.string() })

/** Follows a batch as a dashboard does: connects again, after what it has heard last, until the batch has ended. */
export async function listen(url: string) {
  const heard = { ended: false, events: 0, connections: 0 }
  let last: string | undefined
  while (!heard.ended) {
    heard.connections += 1
    const response = await fetch(url, {
      headers: {
        authorization: `Bearer ${adminToken}`,
        ...(last !== undefined && { 'last-event-id': last }),
      },
    })
    if (!response.ok) throw new Error(`a listener was answered ${response.status}: ${await response.text()}`)
    for await (const { id, event, data } of eventsOf(response)) {
      heard.events += 1
      last = id ?? last
      if (event === 'batch') heard.ended = batchSchema.parse(data).status === 'completed'
    }
  }
  return heard
}
