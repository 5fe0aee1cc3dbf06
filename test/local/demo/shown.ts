import { z } from 'zod'
import type { Api } from './api.ts'

/** A workflow as the demo presents it. */
export type Shown = {
  name: string
  entities: string
  /** Name of the error that some of the made-up rows end with, as they should. */
  expects?: string
  /** Reads an item's result over HTTP, as the product's own pages would, and says it in a line. */
  readResult(api: Api, id: string, batchId: string): Promise<string>
}

const placeholders = z.object({ placeholders: z.array(z.string()).min(1) })
const welcome = z.object({ welcomeMessage: z.string().min(1), openQuestions: z.array(z.string()).min(1) })

/** What the steps of a durable item have come to. */
export async function readSteps(api: Api, id: string, batchId: string): Promise<string> {
  const { steps } = await api.steps(batchId, id)
  return steps
    .map(({ name, kind, status }) => {
      const notes = [...(kind === 'step' ? [] : [kind]), ...(status === 'done' ? [] : [status])]
      return notes.length === 0 ? name : `${name} (${notes.join(', ')})`
    })
    .join(' → ')
}

/** Those whose items last for days; time is skipped for them. */
export const durable: readonly Shown[] = [
  { name: 'agent-review', entities: 'agents', readResult: readSteps },
  { name: 'plan-upgrade', entities: 'upgrades', expects: 'CardDeclined', readResult: readSteps },
  { name: 'trial-lifecycle', entities: 'trials', readResult: readSteps },
]

/** Those whose items are done in one step, in the order in which they run. */
export const shown: readonly Shown[] = [
  {
    name: 'welcome-placeholder',
    entities: 'users',
    async readResult(api, id) {
      const path = `/api/users/${encodeURIComponent(id)}/welcome-placeholders`
      return (await api.read(placeholders, path)).placeholders.join(' · ')
    },
  },
  {
    name: 'agent-welcome',
    entities: 'agents',
    async readResult(api, id) {
      const result = await api.read(welcome, `/api/agents/${encodeURIComponent(id)}/welcome`)
      return [result.welcomeMessage, ...result.openQuestions].join(' · ')
    },
  },
]
