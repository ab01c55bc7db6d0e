/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doorbells: when they may be left out, and how their suppression is taken back before somebody
 * sleeps. No wake-up is lost: not for a message, not for a buffer that somebody waits for, not for a
 * command of another thread.
 *
 * Source: src/vring/ring.h: ring_publish ring_wanted ring_set_quiet ring_pending
 * Source: src/vring/vring.c: arm disarm anything_came flush_one ring_if_wanted reclaim writable
 * Source: src/core/link.c: rpr_node_arm rpr_link_ready
 * Source: src/core/node.c: rpr_node_wake rpr_node_post attend run_commands
 * Source: platform/posix/loop.c: may_sleep turn ring_due loop_wake wake_seen
 *
 * Two nodes, A and B, each with an owner's loop. A sends N messages through a ring of NUM buffers
 * and waits for `writable` when there is none; B takes them and gives the buffers back. Another
 * thread posts commands to B. Every store to shared memory waits in a buffer of its CPU, one for each
 * location, and becomes visible at any time later, before or after younger stores to other locations
 * (a partial store order); a full barrier waits until those of its CPU are empty. The doorbell is
 * an edge: one bit that the sleeper clears.
 *
 * Abstracted: contents (tests/model runs the ring as shipped on them), more than one link, spinning
 * (it is a turn that does not arm), the timer that looks at the used ring now and then (without it
 * the model is harder to satisfy), deadlines. Loads are not reordered: what they read may be old, but
 * a CPU that reads too early is modelled in tests/model.
 *
 * Check:
 * Check: -DNUM=1
 * Defect: -DNO_FLUSH_FENCE (flush looks at the peer's flag before its index is visible)
 * Defect: -DNO_ARM_FENCE (arm looks at the ring before its flag is visible)
 * Defect: -DNO_LOOK (arm does not look again)
 * Defect: -DNO_WANT_WRITABLE (a sender that waits asks for no doorbell for buffers)
 * Defect: -DNO_ATTEND_FENCE (attention is seen to be cleared after the commands were looked for)
 * Defect: -DLATE_CLEAR (attention is cleared after the commands were looked for)
 */
#ifndef NUM
#define NUM 2
#endif
#define N          3
#define N_COMMANDS 2

/* Shared memory as it is, and the stores that are not visible yet. */
byte avail_idx, used_idx; /* written by A, by B */
byte avail_own, used_own; /* the last value stored */
bit quiet_a = 1, quiet_b = 1;
chan quiet_a_stores = [4] of {bit};
chan quiet_b_stores = [4] of {bit};
bit attention;
chan attention_stores = [4] of {bit}; /* of B, which clears it */

bit bell_a, bell_b; /* rung, and the owner has not seen it */
bit wake_pending, wake_b;
byte commands, commands_run;
byte a_sent, b_taken;

#define barrier_a() (avail_idx == avail_own && empty(quiet_a_stores))
#define barrier_b() (used_idx == used_own && empty(quiet_b_stores) && empty(attention_stores))

/* The CPUs' store buffers. */
active proctype stores()
{
end:
	do
	:: atomic { avail_idx != avail_own -> avail_idx++ }
	:: atomic { used_idx != used_own -> used_idx++ }
	:: atomic { nempty(quiet_a_stores) -> quiet_a_stores?quiet_a }
	:: atomic { nempty(quiet_b_stores) -> quiet_b_stores?quiet_b }
	:: atomic { nempty(attention_stores) -> attention_stores?attention }
	od
}

/* Sends; when there is no buffer, waits for `writable`. */
active proctype a()
{
	byte free = NUM, taken = 0, seen;

	do
	:: a_sent == N -> break
	:: a_sent < N && free > 0 ->
		/* flush_one(): publish, barrier, does the peer want to be rung? */
		atomic { free--; a_sent++; avail_own++ };
#ifndef NO_FLUSH_FENCE
		barrier_a();
#endif
		if
		:: quiet_b -> skip
		:: !quiet_b -> bell_b = 1
		fi
	:: a_sent < N && free == 0 ->
		atomic { seen = used_idx; free = free + (seen - taken); taken = seen } /* reclaim() */
		if
		:: free > 0
		:: free == 0 ->
			/* arm(want_writable) */
#ifndef NO_WANT_WRITABLE
			quiet_a_stores!0;
#endif
#ifndef NO_ARM_FENCE
			barrier_a();
#endif
			if
#ifndef NO_LOOK
			:: used_idx != taken -> skip
			:: used_idx == taken ->
#else
			:: true ->
#endif
				atomic { bell_a -> bell_a = 0 } /* sleeps */
			fi;
			quiet_a_stores!1 /* disarm() */
		fi
	od
}

/* The owner's loop of loop.c: a turn is may_sleep(), sleep, poll, ring_due(). */
active proctype b()
{
	byte mine;
	bit due, work, woken;

	do
	:: /* rpr_node_poll(): what other threads left */
		if
		:: attention || (nempty(attention_stores)) ->
#ifndef LATE_CLEAR
			attention_stores!0;
#ifndef NO_ATTEND_FENCE
			barrier_b();
#endif
#endif
			atomic { mine = commands; commands = 0; commands_run = commands_run + mine; mine = 0 };
#ifdef LATE_CLEAR
			attention_stores!0;
			barrier_b()
#endif
		:: !attention && empty(attention_stores)
		fi;
		/* one message at most, and the flush of the buffer that goes back */
		if
		:: avail_idx != b_taken ->
			atomic { b_taken++; used_own++ };
#ifndef NO_FLUSH_FENCE
			barrier_b();
#endif
			if
			:: quiet_a -> skip
			:: !quiet_a -> due = 1
			fi;
			work = 1
		:: avail_idx == b_taken -> work = 0
		fi;
		if
		:: due -> atomic { bell_a = 1; due = 0 }
		:: !due
		fi;
		if
		:: work -> skip /* or it spins: another turn */
		:: !work ->
			/* may_sleep(): rpr_node_arm() */
			quiet_b_stores!0;
#ifndef NO_ARM_FENCE
			barrier_b();
#endif
			if
#ifndef NO_LOOK
			:: avail_idx != b_taken -> skip
			:: avail_idx == b_taken ->
#else
			:: true ->
#endif
				if
				:: attention -> skip
				:: !attention ->
end_asleep:
					if
					:: atomic { bell_b -> bell_b = 0 }
					:: atomic { wake_b -> wake_b = 0; woken = 1 }
					fi
				fi
			fi;
			quiet_b_stores!1; /* rpr_link_ready(): disarm() */
			if
			:: woken ->
				atomic { woken = 0; wake_pending = 0 } /* wake_seen() */
			:: !woken
			fi
		fi
	od
}

/* Another thread: rpr_node_post(), rpr_node_wake(), loop_wake(). The release store of `attention` and
 * the exchange after it leave in that order, so that they are visible at once here. */
active proctype thread()
{
	byte n;
	bit was;

	do
	:: n == N_COMMANDS -> break
	:: n < N_COMMANDS ->
		atomic { commands++; n++ };
		attention = 1;
		atomic { was = wake_pending; wake_pending = 1 };
		if
		:: was
		:: !was -> wake_b = 1
		fi
	od
}

/* When nothing moves any more everything has arrived. (That A sleeps then is an invalid end.) */
active proctype quiet()
{
end:
	timeout -> assert(a_sent == N && b_taken == N && commands_run == N_COMMANDS)
}
