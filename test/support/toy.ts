import { z } from 'zod'
import type { Db } from '../../src/db/client.ts'
import { users } from '../../src/db/schema.ts'
import { cachedResult } from '../../src/workflows/cached-result.ts'
import { defineWorkflow, type Handler, type Workflow } from '../../src/workflows/contract.ts'
import { inputVersion } from '../../src/workflows/input-version.ts'

const data = z.object({ text: z.string() })
const { publish } = cachedResult('toy', data)

type Toy = Workflow<{ tag: string }, { text: string }>
type Options = Partial<Omit<Toy, 'params' | 'run'>>

const common = {
  name: 'toy',
  entity: { one: 'user', many: 'users' },
  params: z.object({ tag: z.string().default('') }),
  data,
  population: ({ db }: { db: Db }) =>
    db.select({ id: users.id, version: inputVersion(users.interests) }).from(users),
  publish,
  // Small, so that a few items are several pages and chunks.
  pageSize: 10,
  chunkSize: 4,
}

/** The page and chunk of a workflow that says nothing of them. */
export const defaultPages = { pageSize: 50, chunkSize: 20 }

/** A workflow over all users whose work is a function of the test. */
export function toyWorkflow(work: Toy['work'], options: Options = {}): Workflow {
  return defineWorkflow({ ...common, work, ...options })
}

/** The same with durable handlers: one, or several versions. */
export function durableToy(
  run: (Toy['run'] & object) | Handler<{ tag: string }, { text: string }>,
  options: Omit<Options, 'work'> = {},
): Workflow {
  const handlers = typeof run === 'function' ? { 1: run } : run
  return defineWorkflow({ ...common, run: handlers, replaySafe: false, ...options })
}

/** Work that asks the model about the user. */
export const askModel: Toy['work'] = ({ ai }, id) =>
  ai.object({ schema: data, instructions: 'Answer with JSON {"text": string}.', prompt: `About user ${id}.` })
