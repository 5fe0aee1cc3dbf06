import { z } from 'zod'
import { PermanentError } from '../../src/errors.ts'
import { insertUsers, userId } from '../support/population.ts'
import { rounds } from '../support/rounds.ts'
import { toyWorkflow } from '../support/toy.ts'

export const groups = z.object({
  more: z.boolean(),
  data: z.array(
    z.object({
      fingerprint: z.string(),
      error: z.object({ name: z.string(), message: z.string(), step: z.string() }),
      count: z.number(),
      retrying: z.number(),
      firstSeen: z.string(),
      lastSeen: z.string(),
      items: z.array(z.string()),
    }),
  ),
})

/** A completed batch over so many users of whom every third ran out of quota, and every fifth found the disk full. */
export async function failedBatch(users: number, options: Parameters<typeof toyWorkflow>[1] = {}) {
  const state = { broken: true, worked: [] as string[] }
  const numbers = new Map(Array.from({ length: users }, (_, index) => [userId(index + 1), index + 1]))
  const toy = toyWorkflow((_, id) => {
    state.worked.push(id)
    const n = numbers.get(id) ?? 0
    if (state.broken && n % 5 === 0) throw new PermanentError(`the disk of "${id}" is full`)
    if (state.broken && n % 3 === 0) throw new PermanentError(`quota used up: request ${id} of ${n} units`)
    return Promise.resolve({ text: id })
  }, options)
  const app = rounds([toy])
  await insertUsers(app.services.db, users)
  const { id } = await app.start('toy')
  await app.deliver()
  state.worked = []
  return {
    ...app,
    toy,
    id,
    state,
    failures: async () =>
      groups.parse((await app.call('GET', `/api/admin/batches/${id}/failures`)).body).data,
    retry: (body: unknown, headers?: Record<string, string>) =>
      app.call('POST', `/api/admin/batches/${id}/retry`, body, headers),
  }
}
