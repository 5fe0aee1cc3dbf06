import { z } from 'zod'
import type { Db } from '../../src/db/client.ts'
import { addAgent, addUser } from '../workflows/records.ts'

/** How the results of one workflow are read, and where they are kept. */
export type ReaderCase = {
  workflow: string
  path: (id: string) => string
  key: (id: string) => string
  add: (db: Db, id: string) => Promise<void>
  empty: Record<string, unknown>
  /** A result that nobody generated. */
  other: Record<string, unknown>
}

export const readers: readonly ReaderCase[] = [
  {
    workflow: 'welcome-placeholder',
    path: (id) => `/api/users/${encodeURIComponent(id)}/welcome-placeholders`,
    key: (id) => `aiGeneration:welcome_placeholder:${id}`,
    add: addUser,
    empty: { placeholders: [] },
    other: { placeholders: ['One?', 'Two?', 'Three?'] },
  },
  {
    workflow: 'agent-welcome',
    path: (id) => `/api/agents/${encodeURIComponent(id)}/welcome`,
    key: (id) => `aiGeneration:agent_welcome:${id}`,
    add: addAgent,
    empty: { welcomeMessage: '', openQuestions: [] },
    other: { welcomeMessage: 'Another welcome.', openQuestions: ['One?', 'Two?', 'Three?'] },
  },
]

export const envelopeSchema = z.strictObject({
  version: z.string(),
  data: z.record(z.string(), z.unknown()),
  model: z.string().nullable(),
  usage: z.strictObject({ inputTokens: z.number(), outputTokens: z.number() }),
  generatedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
})
