import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toEnvFile } from './env-file.ts'

const thisProject = join(import.meta.dirname, '../..')
const startupTimeoutMs = 60_000

/** The Worker under `wrangler dev`, as its own process. */
export type RunningWorker = {
  url: string
  pid: number
  /** The latest part of what wrangler wrote. */
  output(): string
  /** Passes on what wrangler writes from now on. */
  follow(listener: (text: string) => void): void
  /** Resolves when wrangler has ended, asked to or not, and says how. */
  ended: Promise<string>
  stop(): Promise<void>
}

export type WorkerOptions = {
  port: number
  bindings: Record<string, string>
  /** The project to run; default this one. */
  root?: string
  /** Show wrangler's output instead of keeping it. */
  verbose?: boolean
  /** Gives up waiting for the Worker. */
  signal?: AbortSignal
}

/** A TCP port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/**
 * Starts the Worker with these bindings; they go through a private file, never the command line.
 *
 * @throws Error with wrangler's output when the Worker does not answer within a minute.
 */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'rounds-'))
  const envFile = join(folder, 'bindings.env')
  await writeFile(envFile, toEnvFile(options.bindings), { mode: 0o600 })
  const child = spawnWrangler(options.port, envFile, options.root ?? thisProject)
  const ended = endOf(child)
  const output = collect(child, options.verbose ?? false)
  // The last resort when this process ends without stopping the Worker.
  const abandon = () => {
    killGroup(child, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.once('exit', abandon)
  const stop = async () => {
    await stopGroup(child, ended)
    await rm(folder, { recursive: true, force: true })
    process.off('exit', abandon)
  }
  const url = `http://127.0.0.1:${options.port}`
  try {
    await Promise.race([untilHealthy(url, child, options.signal), failWhen(ended)])
  } catch (error) {
    await stop()
    options.signal?.throwIfAborted()
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`the Worker did not start: ${reason}\n${output()}`, { cause: error })
  }
  return { url, pid: child.pid ?? 0, output, follow: (listener) => follow(child, listener), ended, stop }
}

/** Ends the whole process group when the process that started it is gone, however that one ended. */
const guarded = `
  (while kill -0 "$1" 2>/dev/null; do sleep 1; done; rm -rf "$2"; kill -KILL 0) &
  shift 2
  exec "$@"`

const spawnWrangler = (port: number, envFile: string, root: string) =>
  spawn(
    'sh',
    [
      '-c',
      guarded,
      'sh',
      String(process.pid),
      dirname(envFile),
      join(thisProject, 'node_modules/.bin/wrangler'),
      'dev',
      ...listening(port),
      '--env-file',
      envFile,
      '--test-scheduled',
      '--show-interactive-dev-session=false',
    ],
    { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: childEnv() },
  )

const listening = (port: number) => ['--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0']

const childEnv = () => ({
  ...process.env,
  PATH: `${join(thisProject, 'node_modules/.bin')}:${process.env.PATH}`,
  CLOUDFLARE_INCLUDE_PROCESS_ENV: 'false',
  WRANGLER_SEND_METRICS: 'false',
  NO_COLOR: '1',
})

const endOf = (child: ChildProcess) =>
  new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`wrangler cannot be run: ${error.message}`))
    child.once('exit', (code, signal) => resolve(`wrangler exited with ${signal ?? code}`))
  })

async function failWhen(ended: Promise<string>): Promise<never> {
  throw new Error(await ended)
}

function follow(child: ChildProcess, listener: (text: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', listener)
}

function collect(child: ChildProcess, verbose: boolean): () => string {
  const kept: string[] = []
  follow(child, (text) => {
    if (verbose) process.stderr.write(text)
    kept.push(text)
    if (kept.length > 2000) kept.splice(0, 1000)
  })
  return () => kept.join('')
}

async function untilHealthy(url: string, child: ChildProcess, signal?: AbortSignal): Promise<void> {
  const deadline = Date.now() + startupTimeoutMs
  while (Date.now() < deadline && !hasEnded(child)) {
    const timeout = AbortSignal.timeout(2000)
    const response = await fetch(`${url}/health`, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    }).catch(() => null)
    signal?.throwIfAborted()
    if (response !== null && response.status !== 404) {
      if (response.ok) return
      throw new Error(`it answered ${response.status}: ${await response.text()}`)
    }
    await sleep(100)
  }
  throw new Error('it did not answer in time')
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null

async function stopGroup(child: ChildProcess, ended: Promise<string>): Promise<void> {
  killGroup(child, 'SIGTERM')
  const forced = setTimeout(() => killGroup(child, 'SIGKILL'), 5000)
  await ended
  clearTimeout(forced)
  // Whatever wrangler left behind.
  killGroup(child, 'SIGKILL')
}

function killGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in the group.
  }
}
