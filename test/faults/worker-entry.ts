import worker from '../../src/index.ts'

/** The Worker in a world whose time is moved on: the requests say how far that is by now. */

const RealDate = Date
let shiftMs = 0

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given: [], newTarget) =>
    Reflect.construct(target, given.length === 0 ? [RealDate.now() + shiftMs] : given, newTarget),
  get: (target, key) => (key === 'now' ? () => RealDate.now() + shiftMs : Reflect.get(target, key)),
})

export default {
  async fetch(request: Request, bindings: never, context: ExecutionContext): Promise<Response> {
    shiftMs = Number(request.headers.get('faults-shift-ms') ?? 0)
    const cron = request.headers.get('faults-cron')
    if (cron === null) return await worker.fetch(request, bindings, context)
    await worker.scheduled({ cron, scheduledTime: Date.now(), noRetry: () => undefined }, bindings)
    return new Response('ticked')
  },
}
