import { z } from 'zod'
import { users } from '../../src/db/schema.ts'
import { cachedResult } from '../../src/workflows/cached-result.ts'
import { defineWorkflow, type Workflow } from '../../src/workflows/contract.ts'
import { inputVersion } from '../../src/workflows/input-version.ts'

const data = z.object({ text: z.string() })
const { publish } = cachedResult('toy', data)

/** A workflow over all users whose work is a function of the test. */
export function toyWorkflow(
  work: Workflow<{ tag: string }, { text: string }>['work'],
  options: Partial<Omit<Workflow<{ tag: string }, { text: string }>, 'params'>> = {},
): Workflow {
  return defineWorkflow({
    name: 'toy',
    entity: { one: 'user', many: 'users' },
    params: z.object({ tag: z.string().default('') }),
    data,
    population: ({ db }) => db.select({ id: users.id, version: inputVersion(users.interests) }).from(users),
    work,
    publish,
    ...options,
  })
}

/** Work that asks the model about the user. */
export const askModel: Workflow<{ tag: string }, { text: string }>['work'] = ({ ai }, id) =>
  ai.object({ schema: data, instructions: 'Answer with JSON {"text": string}.', prompt: `About user ${id}.` })
