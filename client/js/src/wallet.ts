import { makeCore, type Call, type Core, type Event, type Facts, type Settling, type Step } from './core.js';
import { chosen } from './storage.js';
import type { Hold, Options, PurseStorage } from './types.js';

/** What is known of one origin. */
interface Known {
  clientId?: string;
  balances?: Record<string, number>;
}

/** One thing after the other, by name. */
class Queue {
  private readonly last = new Map<string, Promise<unknown>>();

  async run<T>(name: string, run: () => Promise<T>): Promise<T> {
    const before = this.last.get(name) ?? Promise.resolve();
    const mine = before.then(run, run);
    const settled = mine.catch(() => undefined);
    this.last.set(name, settled);
    try {
      return await mine;
    } finally {
      if (this.last.get(name) === settled) this.last.delete(name);
    }
  }
}

/** A policy, and a place where credentials and budgets are kept. */
export class Wallet {
  private readonly core: Promise<Core>;
  private readonly storage: PurseStorage | undefined;
  private readonly queue = new Queue();

  constructor(readonly options: Options) {
    const { storage, onPaymentRequired, onReceipt: _told, ...policy } = options;
    this.storage = chosen(storage);
    this.core = makeCore({ ...policy, canAskForCard: onPaymentRequired !== undefined });
    // Whoever makes the first call hears of it.
    this.core.catch(() => undefined);
  }

  async begin(facts: Facts): Promise<Call> {
    const core = await this.core;
    return core.call(JSON.stringify(facts)) as Call;
  }

  /** One step of the rules; what they remember is kept before it is carried out. */
  async step(call: Call, event: Event): Promise<Step> {
    return this.withPurse(async (core) => {
      const step = JSON.parse(core.step(call, JSON.stringify(event), Date.now() / 1000)) as Step;
      if (step.changed) await this.storage?.save(core.dump());
      return step;
    });
  }

  /** What an answer about a hold leads to; what is remembered of it is kept first. */
  async settle(hold: Hold, told: { status: number; body: string } | null, waited: number): Promise<Settling> {
    return this.withPurse(async (core) => {
      const heard = JSON.parse(core.settle(JSON.stringify(hold), JSON.stringify(told), waited)) as Settling;
      if (heard.changed) await this.storage?.save(core.dump());
      return heard;
    });
  }

  /** The origin at which a card or client id of the caller's was first used. */
  async boundTo(credential: string): Promise<string | undefined> {
    const purse = JSON.parse(await this.dump()) as { bound?: Record<string, string> };
    return purse.bound?.[credential];
  }

  /** The purse as it is kept. It holds bearer credentials. */
  async dump(): Promise<string> {
    return this.withPurse(async (core) => core.dump());
  }

  async known(origin: string): Promise<Known | undefined> {
    const purse = JSON.parse(await this.dump()) as { origins?: Record<string, Known> };
    return purse.origins?.[origin];
  }

  /** What cards were charged, and may have been, in units. */
  async spent(): Promise<number> {
    return this.withPurse(async (core) => Number(core.spent(Date.now() / 1000)));
  }

  /** Runs while no other call pays at this origin. */
  async turn<T>(origin: string, run: () => Promise<T>): Promise<T> {
    const alone = this.storage?.lock?.bind(this.storage);
    return this.queue.run(`turn ${origin}`, alone ? () => alone(`turn ${origin}`, run) : run);
  }

  private async withPurse<T>(run: (core: Core) => Promise<T>): Promise<T> {
    const core = await this.core;
    const { storage } = this;
    // Without a place to share there is nothing to read anew, and nothing to wait for.
    if (!storage) return run(core);
    const inTurn = async (): Promise<T> => {
      const kept = await storage.load();
      if (kept) core.load(kept);
      return run(core);
    };
    const alone = storage.lock?.bind(storage);
    return this.queue.run('purse', alone ? () => alone('purse', inTurn) : inTurn);
  }
}
