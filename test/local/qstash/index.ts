import { listen, type LocalServer } from '../server.ts'
import { createApp } from './app.ts'
import { type IdleOptions, untilIdle } from './idle.ts'
import { findRuns, type RunLog, type RunsFilter } from './logs.ts'
import { startPush } from './push.ts'
import { type QstashOptions, settingsOf } from './settings.ts'
import type { QstashStats } from './stats.ts'
import { createWorld, resetWorld, statsOf } from './world.ts'

export type { RunLog } from './logs.ts'
export type { QstashOptions } from './settings.ts'
export type { QstashStats } from './stats.ts'

/** A QStash and Workflow server in this process. */
export type LocalQstash = LocalServer & {
  token: string
  currentSigningKey: string
  nextSigningKey: string
  /** Counts since the last reset. */
  stats: () => QstashStats
  /** The runs as the logs show them, newest first; `steps` are empty once their bodies were let go. */
  runs: (filter?: RunsFilter) => RunLog[]
  /** Drops all runs, messages, limits and counts. */
  reset: () => void
  /** Resolves when nothing is pending or in flight. */
  idle: (options?: IdleOptions) => Promise<void>
  /** Moves the clock forward, so that delayed messages are due. */
  advance: (ms: number) => void
}

/**
 * Starts a local stand-in for QStash and Upstash Workflow.
 *
 * @example
 * const qstash = await startQstash({ timeScale: 0.01 })
 * const client = new Client({ baseUrl: qstash.url, token: qstash.token })
 */
export async function startQstash(options: QstashOptions = {}): Promise<LocalQstash> {
  const settings = settingsOf(options)
  const world = await createWorld(settings)
  if (settings.mode === 'push') startPush(world)
  const server = await listen(createApp(world), { port: settings.port })
  return {
    ...server,
    token: settings.token,
    currentSigningKey: settings.currentSigningKey,
    nextSigningKey: settings.nextSigningKey,
    stats: () => statsOf(world),
    runs: (filter) => findRuns(world, filter),
    reset: () => resetWorld(world),
    idle: (options) => untilIdle(world, options),
    advance: (ms) => world.clock.advance(ms),
    async close() {
      resetWorld(world)
      await server.close()
    },
  }
}
