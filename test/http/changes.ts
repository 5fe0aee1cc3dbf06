import { z } from 'zod'
import type { rounds } from '../support/rounds.ts'

type Rounds = ReturnType<typeof rounds>

const changeSchema = z.object({
  id: z.int(),
  actor: z.string(),
  action: z.string(),
  workflow: z.string().nullable(),
  batchId: z.string().nullable(),
  reason: z.string().nullable(),
  before: z.json(),
  after: z.json(),
})
const listSchema = z.object({ data: z.array(changeSchema), nextCursor: z.string().nullable() })

/** A page of the log of changes. */
export const listChanges = async (app: Rounds, query = '') =>
  listSchema.parse((await app.call('GET', `/api/admin/changes${query}`)).body)

/** Every change, the first one first. */
export const changesOf = async (app: Rounds) => (await listChanges(app, '?limit=200')).data.toReversed()
