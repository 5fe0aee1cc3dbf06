import { Hono } from 'hono'
import type { Context } from 'hono'
import type { Backend, Command, Outcome } from './backend.ts'
import { encode } from './reply.ts'
import { parseCommand, parseCommands, parsePath, refusal } from './request.ts'

const MAX_BYTES = 10 * 1024 * 1024

/**
 * The routes of the Upstash REST protocol: a command as JSON, a pipeline, a transaction, or a command in the path.
 *
 * @param count is told of every command before it runs.
 */
export function protocol(backend: Backend, count: (commands: Command[]) => void): Hono {
  const app = new Hono()
  const one = async (c: Context, command: Command) => {
    count([command])
    const [outcome] = await runAllowed(backend, [command])
    if (!outcome || 'error' in outcome) return c.json(outcome, 400)
    return c.json(coded(c, outcome))
  }
  app.post('/', async (c) => one(c, parseCommand(await readBody(c))))
  app.post('/pipeline', async (c) => {
    const commands = parseCommands(await readBody(c))
    count(commands)
    return c.json((await runAllowed(backend, commands)).map((outcome) => coded(c, outcome)))
  })
  app.post('/multi-exec', async (c) => {
    const commands = parseCommands(await readBody(c))
    count(commands)
    const refused = commands.map(refusal).find(Boolean)
    if (refused) throw new Error(refused)
    return c.json((await backend.transaction(commands)).map((outcome) => coded(c, outcome)))
  })
  app.on(['GET', 'POST', 'PUT'], '/*', async (c) => one(c, parsePath(new URL(c.req.url), await readBody(c))))
  app.all('/*', (c) => c.json({ error: 'ERR method not allowed' }, 405))
  return app
}

/** Runs commands in order; those that are not passed on get their error in place. */
async function runAllowed(backend: Backend, commands: Command[]): Promise<Outcome[]> {
  const outcomes = await backend.run(commands.filter((command) => refusal(command) === undefined))
  return commands.map((command) => {
    const error = refusal(command)
    return error === undefined ? (outcomes.shift() ?? { result: null }) : { error }
  })
}

const coded = (c: Context, outcome: Outcome): Outcome =>
  c.req.header('upstash-encoding') === 'base64' ? encode(outcome) : outcome

async function readBody(c: Context): Promise<string> {
  const text = await c.req.text()
  const size = Buffer.byteLength(text)
  if (size <= MAX_BYTES) return text
  throw new Error(`ERR max request size exceeded. Limit: ${MAX_BYTES} bytes, Actual: ${size} bytes`)
}
