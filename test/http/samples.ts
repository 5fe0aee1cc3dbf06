import { expect } from 'vitest'
import { z } from 'zod'
import { local, type rounds } from '../support/rounds.ts'

type Rounds = ReturnType<typeof rounds>

const itemSchema = z.strictObject({
  id: z.string(),
  status: z.enum(['pending', 'succeeded', 'skipped', 'failed']),
  input: z.array(z.strictObject({ instructions: z.string(), prompt: z.string() })),
  output: z.json(),
  error: z.strictObject({ name: z.string(), message: z.string(), step: z.string() }).nullable(),
  model: z.string().nullable(),
  inputTokens: z.int(),
  outputTokens: z.int(),
  workMs: z.int().min(0),
})

const sampleSchema = z.strictObject({
  id: z.uuid(),
  workflow: z.string(),
  params: z.record(z.string(), z.json()),
  force: z.boolean(),
  items: z.array(itemSchema),
  totals: z.strictObject({
    items: z.int(),
    pending: z.int(),
    succeeded: z.int(),
    skipped: z.int(),
    failed: z.int(),
    inputTokens: z.int(),
    outputTokens: z.int(),
    workMs: z.int(),
    usd: z.number().nullable(),
  }),
  createdAt: z.iso.datetime(),
})

export const sampleParsed = (body: unknown) => sampleSchema.parse(body)

export const askSample = (
  app: Rounds,
  workflow: string,
  body?: unknown,
  headers: Record<string, string> = {},
) => app.call('POST', `/api/admin/workflows/${workflow}/samples`, body, headers)

/** Makes a sample; the test fails when it is refused. */
export async function sampled(app: Rounds, workflow: string, body?: unknown, key?: string) {
  const answer = await askSample(app, workflow, body, key === undefined ? {} : { 'idempotency-key': key })
  expect(answer).toMatchObject({ status: 200 })
  return sampleParsed(answer.body)
}

export const idsOf = ({ items }: { items: { id: string }[] }) => items.map(({ id }) => id)

const statsSchema = z.object({
  promptTokens: z.number(),
  completionTokens: z.number(),
  maxConcurrent: z.number(),
})

/** What the local model counted. */
export const modelStats = async () => statsSchema.parse(await local('model', 'stats'))
