import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { results } from '../../src/db/schema.ts'
import { servicesOf } from '../../src/engine/services.ts'
import { createApp } from '../../src/http/app.ts'
import { registry } from '../../src/workflows/registry.ts'
import { senderTo } from '../engine/hostile-deliveries.ts'
import { takeDeliveries } from '../support/deliveries.ts'
import { lane } from '../support/lane.ts'
import { local, qstashThatIsDown, resetEverything, rounds } from '../support/rounds.ts'
import { addAgent, addUser } from '../workflows/records.ts'
import { describedRoutes, type Route } from './routes.ts'

beforeEach(resetEverything)

type Rounds = ReturnType<typeof rounds>
type Bindings = Record<string, string | undefined>

/** What a deployment must not tell: every key, and the password in a URL. */
const secretsOf = (bindings: Bindings) =>
  Object.entries(bindings).flatMap(([name, value = '']) => {
    if (!/TOKEN|KEY|DATABASE_URL/.test(name)) return []
    return [name === 'DATABASE_URL' ? (URL.parse(value)?.password ?? value) : value]
  })

/** Words of which only the prompt of an item, or only what the model says, is made. */
const inPrompt = ['quokka-of-the-title', 'quokka-of-the-role', 'quokka-of-the-interests']
const inAnswer = 'wombat-of-the-answer'

/** Collects what is written to the console while something is done. */
async function logged(work: () => Promise<unknown>): Promise<string> {
  const lines: string[] = []
  const spies = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation((...args: unknown[]) => {
      for (const arg of args) lines.push(arg instanceof Error ? `${arg.message} ${arg.stack}` : String(arg))
    }),
  )
  try {
    await work()
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
  return lines.join('\n')
}

const expectNoneOf = (words: readonly string[], where: string) => {
  for (const word of words) {
    const at = where.indexOf(word)
    expect(at, `${word} in: ${where.slice(Math.max(0, at - 200), at + 100)}`).toBe(-1)
  }
}

const echo = `I cannot say anything about ${inPrompt.join(' and ')}, for Bearer ${lane.bindings.AI_API_KEY}`

/** What the model says instead of a welcome, for an agent each. */
const wrongs: object[] = [
  ...[400, 401, 403, 404, 429, 500, 503].map((status) => ({ status, message: echo, timesPerPrompt: 2 })),
  { content: `${inAnswer} ${inPrompt.join(' ')}` },
  { content: JSON.stringify({ [inAnswer]: inAnswer }) },
  { content: JSON.stringify({ welcomeMessage: `${inAnswer}\0`, openQuestions: ['1', '2', '3'] }) },
]

async function populate({ services: { db } }: Rounds, agents = 1) {
  await addUser(db, 'ada', { interests: ['quokka-of-the-interests'] })
  for (let n = 0; n < agents; n += 1)
    await addAgent(db, `guide-${n}`, {
      title: `quokka-of-the-title (${n})`,
      systemRole: 'quokka-of-the-role',
    })
  await addAgent(db, 'moss', { title: 'quokka-of-the-title', review: 'submitted' })
}

/** Runs a batch of each workflow that asks the model, in some trouble, and says what was told of it that is no result. */
async function told(app: Rounds, trouble: () => Promise<unknown>): Promise<string> {
  const said: unknown[] = []
  const ids: string[] = []
  for (const workflow of ['welcome-placeholder', 'agent-welcome', 'agent-review'])
    ids.push((await app.start(workflow)).id)
  await trouble()
  for (const { path, status, answer } of await app.deliver())
    if (path.startsWith('/api/') && status >= 400) said.push(answer)
  for (const id of ids) {
    for (const path of ['', '/items?status=failed', '/failures', '/proof'])
      said.push((await app.call('GET', `/api/admin/batches/${id}${path}`)).body)
  }
  said.push((await app.call('GET', '/api/admin/changes?limit=200')).body)
  return said.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join('\n')
}

const troubles: [what: string, trouble: () => Promise<unknown>, agents?: number][] = [
  [
    'the model refuses, or answers nonsense, and repeats what it was asked, with the key',
    () =>
      local('model', 'faults', { rules: wrongs.map((rule, n) => Object.assign({ match: `(${n})` }, rule)) }),
    wrongs.length,
  ],
  [
    'the model refuses everything',
    () => local('model', 'faults', { rules: [{ status: 400, message: echo }] }),
  ],
  ['the cache is down', () => local('redis', 'faults', { failNext: 20 })],
  ['the database fails for a while', () => local('neon', 'faults', { failNext: 3 })],
  ['mail is refused', () => local('mail', 'faults', { rules: [{ status: 422 }] })],
]

describe('while batches run and', () => {
  test.for(troubles)(
    '%s, neither a secret nor a prompt nor an answer is in the log or in an error',
    async ([, trouble, agents]) => {
      const app = rounds()
      await populate(app, agents)
      let said = ''
      const lines = await logged(async () => (said = await told(app, trouble)))
      expect(lines).not.toBe('')
      expectNoneOf([...secretsOf(lane.bindings), ...inPrompt, inAnswer], `${lines}\n${said}`)
    },
  )

  test('the model obliges, its answer is in the result alone', async () => {
    const app = rounds()
    await populate(app)
    const content = JSON.stringify({ placeholders: [inAnswer, 'two', 'three'] })
    const obliges = () => local('model', 'faults', { rules: [{ match: 'Interests', content }] })
    let said = ''
    const lines = await logged(async () => (said = await told(app, obliges)))
    expect(JSON.stringify(await app.services.db.select().from(results))).toContain(inAnswer)
    expectNoneOf([inAnswer], `${lines}\n${said}`)
  })
})

test('what a call was answered that QStash will make again is not in the log', async () => {
  const app = rounds()
  const body = JSON.stringify({ status: 500, retried: 1, maxRetries: 3, body: btoa(inAnswer) })
  const headers = { 'upstash-workflow-runid': 'wfr_x', 'upstash-workflow-callback': 'true' }
  const lines = await logged(async () => {
    const answer = await senderTo(app)('agent-review/review-agent', body, headers)
    expect(answer.status).toBe(200)
  })
  expectNoneOf([inAnswer], lines)
})

/** Bindings with a secret that does not serve, or for services that are none. */
const wrong: [string, Bindings][] = [
  ...['AI_API_KEY', 'QSTASH_TOKEN', 'UPSTASH_REDIS_REST_TOKEN'].map((name): [string, Bindings] => [
    `another ${name}`,
    { [name]: 'sk-somebody-elses' },
  ]),
  ['a cache that is none', { UPSTASH_REDIS_REST_URL: `${lane.services.model}/redis` }],
  ['a queue that takes nothing', { QSTASH_URL: qstashThatIsDown }],
]

/** A Worker with these bindings, whether or not they let it start. */
function workerWith(changes: Bindings) {
  const app = createApp(registry, servicesOf)
  const bindings = { QSTASH_TOKEN: '', ...lane.bindings, ...changes }
  return async (request: Request): Promise<Response> => {
    const ctx = createExecutionContext()
    const response = await app.fetch(request, bindings, ctx)
    await waitOnExecutionContext(ctx)
    return response
  }
}

describe('a deployment with', () => {
  test.for(wrong)('%s tells nobody of a secret', async ([, changes]) => {
    await populate(rounds())
    const said: string[] = []
    const lines = await logged(async () => {
      const worker = workerWith(changes)
      const ask = async ({ method, path }: Route) => {
        const headers = { authorization: `Bearer ${lane.bindings.ADMIN_TOKEN}` }
        const body = method === 'GET' ? null : '{}'
        const response = await worker(new Request(`https://rounds.test${path}`, { method, headers, body }))
        said.push(await response.text())
      }
      for (const { name } of registry)
        await ask({ method: 'POST', path: `/api/admin/workflows/${name}/batches` })
      for (const { answer } of await takeDeliveries(worker, {})) said.push(answer)
      for (const route of describedRoutes) if (route.method === 'GET') await ask(route)
    })
    const secrets = [...secretsOf(lane.bindings), 'somebody', 'elses']
    expectNoneOf(secrets, `${lines}\n${said.join('\n')}`)
  })
})
