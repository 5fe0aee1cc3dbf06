import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'

const require = createRequire(import.meta.url)
const { default: binary } = z.object({ default: z.string() }).parse(require('workerd'))
const startupTimeoutMs = 20_000

/** A Worker in a process of its own, which may be killed. */
export type Workerd = {
  pid: number
  /** Ends it as a power cut would, and whatever it was doing. */
  kill: () => Promise<void>
  output: () => string
}

/**
 * Starts a bundle in workerd.
 *
 * @throws Error with what it wrote, when it does not answer in time.
 */
export async function startWorkerd(options: {
  code: string
  port: number
  bindings: Record<string, string>
}): Promise<Workerd> {
  const { code, port, bindings } = options
  const folder = await mkdtemp(join(tmpdir(), 'rounds-workerd-'))
  await writeFile(join(folder, 'worker.js'), code)
  await writeFile(join(folder, 'config.capnp'), configOf(port, bindings), { mode: 0o600 })
  const child = spawn(binary, ['serve', join(folder, 'config.capnp')], { stdio: ['ignore', 'pipe', 'pipe'] })
  const written: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      written.push(text)
      if (written.length > 400) written.splice(0, 200)
    })
  }
  const exited = once(child, 'exit')
  const output = () => written.join('')
  const abandon = () => child.kill('SIGKILL')
  process.once('exit', abandon)
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
    process.off('exit', abandon)
    await rm(folder, { recursive: true, force: true })
  }
  const deadline = Date.now() + startupTimeoutMs
  while (!(await answers(port))) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await kill()
      throw new Error(`workerd does not answer: ${output()}`)
    }
    await sleep(10)
  }
  return { pid: child.pid ?? 0, kill, output }
}

const answers = (port: number) =>
  fetch(`http://127.0.0.1:${port}/health`).then(
    (response) => response.ok,
    () => false,
  )

const text = (value: string) => JSON.stringify(value)

const configOf = (
  port: number,
  bindings: Record<string, string>,
) => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "2026-09-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [${Object.entries(bindings)
    .map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`)
    .join(', ')}],
);
`
