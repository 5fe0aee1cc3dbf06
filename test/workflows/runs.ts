import { z } from 'zod'
import { local, type rounds } from '../support/rounds.ts'

type Rounds = ReturnType<typeof rounds>

/** Starts a batch and delivers until nothing is left of it. */
export async function runBatch(app: Rounds, workflow: string, body: unknown = {}) {
  const { id } = await app.start(workflow, body)
  await app.deliver()
  return await app.batch(id)
}

const planSchema = z.object({
  planId: z.uuid(),
  dryRun: z.literal(true),
  totalEligible: z.number(),
  alreadyProcessed: z.number(),
  held: z.number(),
  toProcess: z.number(),
  sample: z.array(z.string()),
})

/** What a batch would do now. */
export async function planned(app: Rounds, workflow: string, body: Record<string, unknown> = {}) {
  const answer = await app.call('POST', `/api/admin/workflows/${workflow}/batches`, { ...body, dryRun: true })
  return planSchema.parse(answer.body)
}

const itemSchema = z.object({
  id: z.string(),
  status: z.string(),
  claims: z.number(),
  error: z.object({ name: z.string(), message: z.string() }).nullable(),
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
})
const itemsSchema = z.object({ data: z.array(itemSchema), nextCursor: z.string().nullable() })

/** The items of a batch, up to 200. */
export async function itemsOf(app: Rounds, batchId: string) {
  const answer = await app.call('GET', `/api/admin/batches/${batchId}/items?limit=200`)
  return itemsSchema.parse(answer.body).data
}

/** Who is in a batch, by id. */
export const idsIn = async (app: Rounds, batchId: string) =>
  (await itemsOf(app, batchId)).map(({ id }) => id).toSorted()

const requestsSchema = z.array(z.object({ prompt: z.string() }))

/** Every prompt that the model was sent. */
export const prompts = async () =>
  requestsSchema.parse(await local('model', 'requests')).map(({ prompt }) => prompt)

/** How often the model was asked. */
export const timesAsked = async () => (await prompts()).length
