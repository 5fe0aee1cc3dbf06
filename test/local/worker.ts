import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const root = join(import.meta.dirname, '../..')
const startupTimeoutMs = 60_000

/** The Worker under `wrangler dev`, as its own process. */
export type RunningWorker = { url: string; pid: number; output(): string; stop(): Promise<void> }

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
export async function startWorker(options: {
  port: number
  bindings: Record<string, string>
  /** Show wrangler's output instead of keeping it. */
  verbose?: boolean
}): Promise<RunningWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'rounds-'))
  const envFile = join(folder, 'bindings.env')
  await writeFile(envFile, toEnvFile(options.bindings), { mode: 0o600 })
  const child = spawn(
    join(root, 'node_modules/.bin/wrangler'),
    [
      ...['dev', '--ip', '127.0.0.1', '--port', String(options.port), '--inspector-port', '0'],
      ...['--env-file', envFile, '--test-scheduled', '--show-interactive-dev-session=false'],
    ],
    { cwd: root, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: childEnv() },
  )
  const output = collect(child, options.verbose ?? false)
  const stop = async () => {
    await stopGroup(child)
    await rm(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${options.port}`
  try {
    await untilHealthy(url, child)
  } catch (error) {
    await stop()
    throw new Error(`the Worker did not start:\n${output()}`, { cause: error })
  }
  return { url, pid: child.pid ?? 0, output, stop }
}

const toEnvFile = (bindings: Record<string, string>) =>
  Object.entries(bindings)
    .map(([name, value]) => `${name}='${value}'\n`)
    .join('')

const childEnv = () => ({
  ...process.env,
  PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}`,
  CLOUDFLARE_INCLUDE_PROCESS_ENV: 'false',
  WRANGLER_SEND_METRICS: 'false',
  NO_COLOR: '1',
})

function collect(child: ChildProcess, verbose: boolean): () => string {
  const kept: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (verbose) process.stderr.write(text)
      kept.push(text)
      if (kept.length > 2000) kept.splice(0, 1000)
    })
  }
  return () => kept.join('')
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const deadline = Date.now() + startupTimeoutMs
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`wrangler exited with ${child.exitCode}`)
    const response = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) }).catch(() => null)
    if (response !== null && response.status !== 404) {
      if (response.ok) return
      throw new Error(`the Worker answered ${response.status}: ${await response.text()}`)
    }
    await sleep(100)
  }
  throw new Error('the Worker did not answer in time')
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return
  const exited = once(child, 'exit')
  process.kill(-child.pid, 'SIGTERM')
  const forced = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), 5000)
  await exited
  clearTimeout(forced)
}
