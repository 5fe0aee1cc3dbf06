import { Clock } from './clock.ts'
import { DeadLetters } from './dead-letters.ts'
import { Dedup } from './dedup.ts'
import { Events } from './events.ts'
import { Flows } from './flow-control.ts'
import { Mailbox } from './mailbox.ts'
import { Outbox } from './outbox.ts'
import { Runs } from './runs.ts'
import type { Settings } from './settings.ts'
import { createSigner, type Sign } from './signature.ts'
import { Stats } from './stats.ts'
import { Timers } from './timers.ts'

/** Everything that one local QStash knows. */
export type World = {
  readonly settings: Settings
  readonly clock: Clock
  readonly timers: Timers
  readonly flows: Flows
  readonly outbox: Outbox
  readonly runs: Runs
  readonly events: Events
  readonly deadLetters: DeadLetters
  readonly dedup: Dedup
  readonly mailbox: Mailbox
  readonly stats: Stats
  readonly sign: Sign
}

/** Puts the parts together. */
export async function createWorld(settings: Settings): Promise<World> {
  const clock = new Clock(settings.timeScale)
  const timers = new Timers(clock)
  const flows = new Flows(clock)
  return {
    settings,
    clock,
    timers,
    flows,
    outbox: new Outbox({ clock, timers, flows, parallelism: settings.parallelism }),
    runs: new Runs(clock, settings),
    events: new Events(),
    deadLetters: new DeadLetters(),
    dedup: new Dedup(clock, settings.dedupWindowMs),
    mailbox: new Mailbox(),
    stats: new Stats(),
    sign: await createSigner(settings.currentSigningKey, () =>
      settings.sharedClock ? clock.now() : Date.now(),
    ),
  }
}

/** Back to the state after the start: no runs, no messages, no limits, no counts. */
export function resetWorld(world: World): void {
  world.timers.clear()
  world.flows.clear()
  world.runs.clear()
  world.events.clear()
  world.deadLetters.clear()
  world.dedup.clear()
  world.mailbox.clear()
  world.stats.clear()
  world.outbox.clear()
}

/** The counts since the last reset. */
export function statsOf(world: World) {
  const peaks = world.flows.list().map((flow) => [flow.key, flow.peak] as const)
  return world.stats.snapshot(Object.fromEntries(peaks))
}
