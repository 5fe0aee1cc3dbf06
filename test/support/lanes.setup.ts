import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestProject } from 'vitest/node'
import { z } from 'zod'
import { lanes } from './lanes.ts'

const laneSchema = z.object({
  bindings: z.record(z.string(), z.string()),
  /** PGlite runs one statement at a time; only a real PostgreSQL can show what statements do to each other. */
  postgres: z.enum(['PGlite', 'PostgreSQL']),
  services: z.object({
    neon: z.string(),
    redis: z.string(),
    model: z.string(),
    mail: z.string(),
    payments: z.string(),
    qstash: z.string(),
  }),
})
type Lane = z.output<typeof laneSchema>

declare module 'vitest' {
  // An interface, because it is merged with vitest's own.
  interface ProvidedContext {
    lanes: Lane[]
  }
}

/** Starts local services for each lane, in processes of their own. */
export default async function setup(project: TestProject) {
  const started = await Promise.all(Array.from({ length: lanes }, (_, lane) => startLane(lane)))
  project.provide(
    'lanes',
    started.map(({ lane }) => lane),
  )
  return async () => {
    await Promise.all(started.map(({ stop }) => stop()))
  }
}

async function startLane(number: number) {
  const program = join(import.meta.dirname, 'stack.ts')
  // The first numbers of a real Redis's databases belong to the tests of the built Worker.
  const stack = spawn(process.execPath, [program, String(number + 3)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = once(stack, 'exit')
  const [line] = await Promise.race([once(createInterface(stack.stdout), 'line'), ended])
  if (stack.exitCode !== null) throw new Error('the local services did not start')
  return {
    lane: laneSchema.parse(JSON.parse(String(line))),
    stop: async () => {
      stack.stdin.end()
      await ended
    },
  }
}
