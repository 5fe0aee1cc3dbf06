import { z } from 'zod'
import type { Api } from './api.ts'

/** A workflow as the demo presents it. */
export type Shown = {
  name: string
  entities: string
  /** Reads an item's result over HTTP, as the product's own pages would, and says it in a line. */
  readResult(api: Api, id: string): Promise<string>
}

const placeholders = z.object({ placeholders: z.array(z.string()).min(1) })
const welcome = z.object({ welcomeMessage: z.string().min(1), openQuestions: z.array(z.string()).min(1) })

/** Every workflow of the demo, in the order in which they run. */
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
