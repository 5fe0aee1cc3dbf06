import { z } from 'zod'
import type { Answered } from './gateway.ts'

const completion = z.object({ choices: z.array(z.object({ message: z.object({ content: z.string() }) })) })

type Told = { content: string; at: number }

/** What the model was asked for agents, and what it answered. */
export class Witness {
  readonly #told = new Map<string, Told[]>()

  /** @param at milliseconds in the seed's world. */
  see({ service, path, body, status, answer }: Answered, at: number): void {
    if (service !== 'model' || !path.includes('completions') || status !== 200) return
    const id = /Agent (a\d+)/.exec(body)?.[1]
    if (id === undefined) return
    const { choices } = completion.parse(JSON.parse(answer))
    this.#told.set(id, [...this.of(id), { content: choices[0]?.message.content ?? '', at }])
  }

  of = (id: string): Told[] => this.#told.get(id) ?? []

  /** The model has answered so for this agent. */
  hasSaid = (id: string, data: unknown): boolean => this.of(id).some(({ content }) => isSame(content, data))
}

function isSame(content: string, data: unknown): boolean {
  try {
    return JSON.stringify(sorted(JSON.parse(content))) === JSON.stringify(sorted(data))
  } catch {
    return false
  }
}

/** Postgres keeps no order of keys. */
const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value
