import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { type Agent, ownerOf } from './agents.ts'

/** Fields that are not stored (the author) are not looked at. */
const fileAgent = z.object({
  id: z.string().min(1),
  locale: z.string().min(2),
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  avatar: z.string().nullable(),
  systemRole: z.string(),
  openingMessage: z.string().nullable(),
  openingQuestions: z.array(z.string()),
  createdAt: z.union([z.iso.date(), z.iso.datetime({ offset: true })]).transform((text) => new Date(text)),
})

/** One line of a file of agents. */
export type FileAgent = z.output<typeof fileAgent>

/**
 * Reads agents from a file of JSON lines.
 *
 * @throws Error that names the first line which is not an agent, or is one for the second time.
 */
export async function readAgents(path: string): Promise<FileAgent[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`cannot read the agents in ${path}`, { cause: error })
  })
  const lines = text.split('\n').map((line, index) => ({ line, place: `${path}, line ${index + 1}` }))
  const ids = new Set<string>()
  return lines
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => {
      const agent = parseAgent(line, place)
      if (ids.has(agent.id)) throw new Error(`${place}: the id "${agent.id}" is there twice`)
      ids.add(agent.id)
      return agent
    })
}

function parseAgent(line: string, place: string): FileAgent {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new Error(`${place} is not JSON`, { cause: error })
  }
  const parsed = fileAgent.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'line'}: ${message}`)
  throw new Error(`${place} is not an agent: ${issues.slice(0, 3).join('; ')}`)
}

/** The agent as it is stored: one of the product's users owns it, whoever its author is. */
export const fromFile = (agent: FileAgent, row: number, users: number): Agent => ({
  ...agent,
  userId: ownerOf(row, users),
  virtual: false,
  visibility: 'public',
  review: 'none',
})
