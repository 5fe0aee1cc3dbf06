import { createExecutionContext } from 'cloudflare:test'
import { z } from 'zod'
import { createApi } from '../../src/http/admin/api.ts'
import { eventRoutes } from '../../src/http/admin/events.ts'
import { followLimits, type FollowLimits } from '../../src/http/admin/follow-batch.ts'
import { onError } from '../../src/http/respond.ts'
import { local, type rounds } from '../support/rounds.ts'
import { eventsOf, open, type ServerEvent } from '../support/streams.ts'

type App = Pick<ReturnType<typeof rounds>, 'services' | 'worker' | 'call'>

/** The same deployment where following a batch is bounded otherwise; it polls every 20 ms. */
export function following(app: App, limits: Partial<FollowLimits> = {}): App {
  const api = createApi()
  api.onError(onError)
  api.use(async (c, next) => {
    c.set('services', app.services)
    await next()
  })
  api.route('/api/admin', eventRoutes({ ...followLimits, pollMs: 20, ...limits }))
  return { ...app, worker: async (request) => await api.fetch(request, {}, createExecutionContext()) }
}

export const eventsPath = (id: string) => `/api/admin/batches/${id}/events`

/** Follows a batch until the stream ends, or until somebody has seen enough. */
export async function follow(
  app: App,
  id: string,
  options: { after?: string; until?: (event: ServerEvent) => boolean } = {},
): Promise<ServerEvent[]> {
  const { after, until = () => false } = options
  const response = await open(app, eventsPath(id), after === undefined ? {} : { 'last-event-id': after })
  const seen: ServerEvent[] = []
  for await (const event of eventsOf(response)) {
    seen.push(event)
    if (until(event)) break
  }
  return seen
}

/** Ids of the changes among events. */
export const idsOf = (events: ServerEvent[]): string[] => events.flatMap(({ id }) => id ?? [])

/** What events are, in order: a change's action, a batch's status, `retry` or `comment`. */
export const kinds = (events: ServerEvent[]): string[] =>
  events.map(({ event, data, retry }) => {
    if (event === 'change') return z.object({ action: z.string() }).parse(data).action
    if (event === 'batch') return z.object({ status: z.string() }).parse(data).status
    return retry === undefined ? 'comment' : `retry ${retry}`
  })

/** Requests that the database has had. */
export const databaseRequests = async () =>
  z.object({ requests: z.number() }).parse(await local('neon', 'stats')).requests
