import { z } from 'zod'
import type { Api } from './api.ts'

/** A workflow as the demo presents it. */
export type Shown = {
  name: string
  entities: string
  /** Reads an item's result over HTTP, as the product's own pages would, and says it in a line. */
  readResult(api: Api, id: string, batchId: string): Promise<string>
}

const placeholders = z.object({ placeholders: z.array(z.string()).min(1) })
const welcome = z.object({ welcomeMessage: z.string().min(1), openQuestions: z.array(z.string()).min(1) })

/** What the steps of a durable item have come to. */
async function readSteps(api: Api, id: string, batchId: string): Promise<string> {
  const { steps } = await api.steps(batchId, id)
  return steps.map(({ name, kind }) => (kind === 'step' ? name : `${name} (${kind})`)).join(' → ')
}

/** Those whose items last for days; time is skipped for them. */
export const durable: readonly Shown[] = [
  { name: 'agent-review', entities: 'agents', readResult: readSteps },
  { name: 'plan-upgrade', entities: 'upgrades', readResult: readSteps },
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
