/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection over a wire that loses and changes bytes: both sides wake each other, agree on a
 * session, and do so again after whatever happened. After any finite number of faults both are
 * connected, each with the session that the other has now; no session hears what was sent in
 * another one than its own; nobody waits for a wake-up for ever; and a peer that speaks is not asked
 * again (a CONNREQ too many tears a NuttX peer down, and can crash it).
 *
 * Source: src/serial/connection.c: say stay_wake relax ask attempt ask_again on_awake unask begin end end_and_attempt on_connreq on_connack on_poweroff believe connection_on_next doubt on_ack connection_on_control connection_on_input connection_on_start connection_may_send watch_half_open connection_on_drained half_open silence fire connection_on_time
 * Source: src/serial/serial.c: begin end take_frame on_event decode next_frame
 *
 * Two sides, and a wire to each. A frame is three bytes: START, DATA, END. Faults: the next byte of a
 * wire is lost (LOSSES) or becomes another (CHANGES); a side restarts (RESTARTS; KEEPS: its input
 * waits for it); a wire stands still for a while, and lets bytes through one by one or all at once
 * (STALLS). NUTTX: side 1 is NuttX as WIRE 4.4 has it, which asks once, and believes everything.
 *
 * Time is ticks. It passes when nothing else can happen: bytes are faster than timers, but for a
 * wire that stands still. Timers keep their order of length: DOUBT and RELAX (less than a tick) < WAKE <
 * ASK < HALF_OPEN < DEAF < ANSWERABLE.
 *
 * Ghosts: `sid` numbers the sessions of a side, and DATA says which one it is from; `heard_sid` is the
 * session that the present one hears.
 *
 * Abstracted: windows, output that is blocked (so nothing is unasked), power, the orderly end, carriers,
 * patience that grows; a frame is announced when it is sent.
 *
 * Not covered, because no side can know (Spin shows each of them):
 *   the lost CONNREQ of a NuttX that restarted: it asks once, and we are in the old session
 *   the lost CONNACK for a CONNREQ that was asked again only because the peer read late
 *   a byte that becomes CONNREQ, and the loss of the CONNACK that answers it
 *   a byte that becomes POWEROFF on its way to NuttX, which believes it
 *
 * Check:
 * Check: -DLOSSES=3
 * Check: -DCHANGES=1
 * Check: -DSTALLS=1
 * Check: -DRESTARTS=1 -DLOSSES=2
 * Check: -DRESTARTS=1 -DCHANGES=1
 * Check: -DRESTARTS=1 -DKEEPS
 * Check: -DRESTARTS=2
 * Check: -DNUTTX
 * Check: -DNUTTX -DLOSSES=2
 * Check: -DNUTTX -DSTALLS=1
 * Check: -DNUTTX -DRESTARTS=2
 * Defect: -DLOSSES=1 -DSTAY_ONCE (STAYWAKE is not said again)
 * Defect: -DLOSSES=1 -DASK_ALWAYS (CONNREQ is said again, whatever the peer says meanwhile: B6)
 * Defect: -DLOSSES=2 -DASK_ONCE (CONNREQ is not said again)
 * Defect: -DNUTTX -DLOSSES=1 -DNEVER_DEAF (nor after ten seconds of frames without a session)
 * Defect: -DNUTTX -DLOSSES=1 -DNO_HALF_OPEN (a lost CONNACK of ours is not made up for, H-31)
 * Defect: -DRESTARTS=1 -DKEEP_SESSION (a CONNREQ while connected does not end the session)
 * Defect: -DCHANGES=1 -DKEEP_UNASKED (nor does a CONNACK that answers nothing)
 * Defect: -DSTALLS=1 -DANY_ANSWER (nor does the answer to a CONNREQ that was one too many)
 * Defect: -DSTALLS=1 -DBEFORE_ASKED (a session begins with a CONNACK that came too late)
 */
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef CHANGES
#define CHANGES 0
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef STALLS
#define STALLS 0
#endif
#ifndef LATE /* ticks for which a side may be off, and a wire stand still */
#define LATE 5
#endif
#define CAPACITY     24
/* Sessions that one side begins, at most: what goes on for ever begins more. */
#define SESSIONS_MAX (1 + LOSSES + 2 * CHANGES + 3 * RESTARTS + 8 * STALLS)

/* In ticks. */
#define WAKE       1
#define ASK        2
#define HALF_OPEN  3
#define REST       2
#define DEAF       5
#define ANSWERABLE 8

#define o (1 - i)

mtype = { NOTHING, STAY1, STAY2, ACK1, ACK2, RELAX, CONNREQ, CONNACK, POWEROFF, START, DATA, END };

chan to[2] = [CAPACITY] of { mtype, byte };
byte n_losses = LOSSES, n_changes = CHANGES, n_restarts = RESTARTS, n_stalls = STALLS;
byte n_late = LATE;
bit stalled[2], passes[2], keeps[2]; /* the wire to i stands still; what comes while i is off waits for it */
bit probing;

#define OFF       0
#define WAKING    1
#define ASKED     2
#define CONNECTED 3
#define ASLEEP    0
#define AWAKE     2
byte state[2] = OFF;
byte wake[2] = ASLEEP; /* or WAKING */
bit second[2];

/* 0: not running; 1: due; else one more than the ticks that are left */
byte wake_timer[2], half_timer[2];
byte since_asked[2], since_heard[2];

mtype doubted[2] = NOTHING;
bit started[2], by_connreq[2], confirmed[2], half_done[2], announced[2];
byte unanswered[2];
byte todo[2]; /* frames */
bit inside[2];
byte data[2]; /* of the frame: which session it is from */

/* Ghosts. */
byte sid[2], heard_sid[2], below[2]; /* sessions of the peer that are over for us */
bit wrong[2];

#ifdef NUTTX
#define is_nuttx(i) (i == 1)
#else
#define is_nuttx(i) 0
#endif

inline say(i, what, value)
{
	assert(nfull(to[o]));
	to[o]!what, value
}

/* ---- ours ------------------------------------------------------------------------------------------ */

inline stay_wake(i)
{
	if
	:: second[i] -> say(i, STAY2, 0)
	:: else -> say(i, STAY1, 0)
	fi;
	wake[i] = WAKING;
#ifdef STAY_ONCE
	wake_timer[i] = 0
#else
	wake_timer[i] = WAKE + 1
#endif
}

inline relax(i)
{
	if
	:: wake[i] == AWAKE -> say(i, RELAX, 0); wake[i] = ASLEEP; second[i] = !second[i]
	:: else
	fi
}

inline ask(i)
{
	/* whoever speaks is not asked again */
	assert(state[i] != ASKED || since_asked[i] >= DEAF || (!started[i] && since_heard[i] >= ASK));
	say(i, CONNREQ, 0);
	state[i] = ASKED;
	assert(unanswered[i] < 200);
	unanswered[i]++;
	since_asked[i] = 0;
	since_heard[i] = 0;
	started[i] = 0
}

inline attempt(i, rest)
{
	half_timer[i] = 0;
	state[i] = WAKING;
	relax(i);
	wake[i] = ASLEEP;
	if
	:: rest -> wake_timer[i] = rest + 1
	:: else -> stay_wake(i)
	fi
}

inline begin(i, by)
{
	half_timer[i] = 0;
	if
	:: wake[i] == ASLEEP -> wake_timer[i] = 0
	:: else
	fi;
	by_connreq[i] = by;
	confirmed[i] = !by;
	started[i] = 0;
	announced[i] = 0;
	inside[i] = 0;
	state[i] = CONNECTED;
	if
	:: heard_sid[i] -> below[i] = heard_sid[i]; heard_sid[i] = 0
	:: else
	fi;
	wrong[i] = 0;
	sid[i]++;
	assert(sid[i] <= SESSIONS_MAX);
	todo[i] = 1;
	if
	:: by -> say(i, CONNACK, 0)
	:: else
	fi
}

inline end_session(i)
{
	half_timer[i] = 0;
	wake_timer[i] = 0;
	doubted[i] = NOTHING;
	todo[i] = 0;
	inside[i] = 0;
	state[i] = WAKING
}

inline on_connreq(i)
{
#ifdef KEEP_SESSION
	if
	:: state[i] == CONNECTED -> say(i, CONNACK, 0)
	:: else -> begin(i, 1)
	fi
#else
	if
	:: state[i] == CONNECTED ->
		end_session(i);
		if
		:: wake[i] == AWAKE -> wake[i] = ASLEEP
		:: wake[i] == WAKING -> wake_timer[i] = WAKE + 1
		:: else
		fi
	:: else
	fi;
	begin(i, 1)
#endif
}

inline on_connack(i)
{
	answer = (unanswered[i] && since_asked[i] < ANSWERABLE);
	unanswered[i] = (answer -> unanswered[i] - 1 : 0);
	if
	:: state[i] == ASKED -> begin(i, 0)
#ifdef BEFORE_ASKED
	:: state[i] == WAKING -> begin(i, 0)
#endif
#ifndef ANY_ANSWER
	:: state[i] == CONNECTED && answer && !confirmed[i] && !started[i] -> confirmed[i] = 1
	:: state[i] == CONNECTED && answer && (confirmed[i] || started[i]) -> end_session(i); attempt(i, 0)
#endif
#ifndef KEEP_UNASKED
	:: state[i] == CONNECTED && !answer -> end_session(i); attempt(i, 0)
#endif
	:: else
	fi;
	answer = 0
}

inline believe(i)
{
	believed = doubted[i];
	doubted[i] = NOTHING;
	if
	:: believed == CONNREQ -> on_connreq(i)
	:: believed == CONNACK -> on_connack(i)
	:: believed == POWEROFF -> end_session(i); attempt(i, REST)
	fi;
	believed = NOTHING
}

inline control(i, what)
{
	if
	:: state[i] == CONNECTED -> doubted[i] = what
	:: state[i] != CONNECTED && what != POWEROFF -> doubted[i] = what; believe(i)
	:: else
	fi
}

inline on_ack(i, what)
{
	if
	:: wake[i] == WAKING && what == (second[i] -> ACK2 : ACK1) ->
		wake[i] = AWAKE;
		wake_timer[i] = 0;
		if
		:: state[i] == WAKING -> ask(i)
		:: else
		fi
	:: else
	fi
}

inline pump(i)
{
	if
	:: state[i] == CONNECTED && todo[i] && wake[i] == ASLEEP -> stay_wake(i)
	:: state[i] == CONNECTED && todo[i] && wake[i] == AWAKE ->
		say(i, START, 0);
		say(i, DATA, sid[i]);
		say(i, END, 0);
		todo[i]--;
		if
		:: !announced[i] && by_connreq[i] && !started[i] && !half_done[i] -> half_timer[i] = HALF_OPEN + 1
		:: else
		fi;
		announced[i] = 1
	:: else
	fi
}

/* ---- both ------------------------------------------------------------------------------------------- */

/* Of which session is what this one hears? */
inline take_frame(i)
{
	if
	:: state[i] != CONNECTED || !data[i] -> skip
	:: else ->
		if
		:: !heard_sid[i] && data[i] > below[i] -> heard_sid[i] = data[i]
		:: heard_sid[i] == data[i] -> skip
		:: else -> wrong[i] = 1
		fi;
#if CHANGES == 0
		assert(!wrong[i])
#endif
	fi
}

inline frame_byte(i, what, value)
{
	if
	:: what == START -> inside[i] = 1; data[i] = 0
	:: what == DATA && inside[i] -> data[i] = value
	:: what == END && inside[i] -> inside[i] = 0; take_frame(i); data[i] = 0
	:: else
	fi
}

inline ours_input(i, what, value)
{
	since_heard[i] = 0;
	if
	:: doubted[i] == NOTHING -> skip
	:: else ->
		if
		:: doubted[i] == POWEROFF || what == DATA || what == END -> doubted[i] = NOTHING
		:: else -> believe(i)
		fi
	fi;
	if
	:: what == START || what == DATA || what == END ->
		if
		:: what == START || inside[i] ->
			started[i] = 1;
			half_done[i] = 0;
			half_timer[i] = 0
		:: else
		fi;
		frame_byte(i, what, value)
	:: what == STAY1 -> say(i, ACK1, 0)
	:: what == STAY2 -> say(i, ACK2, 0)
	:: what == ACK1 || what == ACK2 -> on_ack(i, what)
	:: what == CONNREQ || what == CONNACK || what == POWEROFF -> control(i, what)
	:: what == RELAX || what == NOTHING
	fi;
	pump(i)
}

/* ---- NuttX ------------------------------------------------------------------------------------------- */

inline nuttx_pump(i)
{
	if
	:: state[i] == CONNECTED && todo[i] && wake[i] == ASLEEP -> stay_wake(i)
	:: state[i] == CONNECTED && todo[i] && wake[i] == AWAKE ->
		say(i, START, 0);
		say(i, DATA, sid[i]);
		say(i, END, 0);
		todo[i]--
	:: else
	fi
}

inline nuttx_input(i, what, value)
{
	if
	:: what == STAY1 -> say(i, ACK1, 0)
	:: what == STAY2 -> say(i, ACK2, 0)
	:: what == ACK1 || what == ACK2 ->
		if
		:: wake[i] == WAKING && what == (second[i] -> ACK2 : ACK1) ->
			wake[i] = AWAKE;
			wake_timer[i] = 0;
			if
			:: state[i] == WAKING -> say(i, CONNREQ, 0); state[i] = ASKED /* once */
			:: else
			fi
		:: else
		fi
	:: what == CONNREQ ->
		/* B6: its buffers are full of what it could not send */
		assert(LOSSES || RESTARTS || STALLS || CHANGES || state[i] != CONNECTED);
		if
		:: state[i] == CONNECTED -> end_session(i)
		:: else
		fi;
		begin(i, 1);
		if
		:: wake[i] == WAKING -> wake_timer[i] = WAKE + 1
		:: else
		fi
	:: what == CONNACK && state[i] != CONNECTED ->
		begin(i, 0);
		if
		:: wake[i] == WAKING -> wake_timer[i] = WAKE + 1
		:: else
		fi
	:: what == POWEROFF && state[i] == CONNECTED -> end_session(i); state[i] = ASKED
	:: what == START || what == DATA || what == END -> frame_byte(i, what, value)
	:: else
	fi;
	nuttx_pump(i)
}

/* ---- what happens ------------------------------------------------------------------------------------ */

inline change(what)
{
	if
	:: n_losses -> n_losses--; what = NOTHING
	:: n_changes -> n_changes--;
		if
		:: what = CONNREQ
		:: what = CONNACK
		:: what = POWEROFF
		:: what = START
		:: what = DATA
		fi
	:: true
	fi
}

inline start(i)
{
	state[i] = WAKING;
	stay_wake(i)
}

inline restart(i)
{
	end_session(i);
	state[i] = OFF;
	wake[i] = ASLEEP;
	second[i] = 0;
	half_done[i] = 0;
	started[i] = 0;
	unanswered[i] = 0;
	since_asked[i] = 0;
	keeps[i] = 0;
#ifdef KEEPS
	if
	:: true
	:: keeps[i] = 1
	fi;
#endif
	do
	:: nempty(to[i]) && !keeps[i] -> to[i]?_, _
	:: empty(to[i]) || keeps[i] -> break
	od
}

#ifdef ASK_ALWAYS
#define ask_due(i) (since_asked[i] >= ASK)
#elif defined(ASK_ONCE)
#define ask_due(i) false
#elif defined(NEVER_DEAF)
#define ask_due(i) (!started[i] && since_heard[i] >= ASK)
#else
#define ask_due(i) (started[i] -> since_asked[i] >= DEAF : since_heard[i] >= ASK)
#endif

/* What can happen to side i now, but for faults. */
#define can_read(i)  (len(to[i]) > 0 && (!stalled[i] || passes[i]) && !(state[i] == OFF && keeps[i]))
#define undoubted(i) (doubted[i] != NOTHING && (len(to[i]) == 0 || stalled[i]))
#define can_relax(i) (wake[i] == AWAKE && !todo[i] && (state[i] == CONNECTED || (is_nuttx(i) && state[i] == ASKED)))
#define can_ask(i)   (!is_nuttx(i) && state[i] == ASKED && ask_due(i))
#define idle(i)      (!can_read(i) && !undoubted(i) && !can_relax(i) && !can_ask(i) && wake_timer[i] != 1 && half_timer[i] != 1)

proctype side(byte i)
{
	mtype what = NOTHING, believed = NOTHING;
	byte value;
	bit answer;

end:
	do
	:: atomic { can_read(i) ->
		passes[i] = 0;
		to[i]?what, value;
		change(what);
		if
		:: state[i] == OFF || what == NOTHING -> skip
		:: state[i] != OFF && what != NOTHING && is_nuttx(i) -> nuttx_input(i, what, value)
		:: else -> ours_input(i, what, value)
		fi;
		what = NOTHING;
		value = 0 }
	/* TIMER_DOUBT: nothing follows */
	:: atomic { undoubted(i) -> believe(i); pump(i) }
	/* TIMER_RELAX; NuttX relaxes when it did not connect, too */
	:: atomic { can_relax(i) -> relax(i) }
	:: atomic { wake_timer[i] == 1 -> stay_wake(i) }
	:: atomic { can_ask(i) -> ask(i) }
	:: atomic { half_timer[i] == 1 ->
		half_timer[i] = 0;
#ifndef NO_HALF_OPEN
		half_done[i] = 1;
		end_session(i);
		if
		:: wake[i] == AWAKE -> ask(i)
		:: else -> attempt(i, 0)
		fi
#endif
		}
	:: atomic { n_restarts && state[i] != OFF -> n_restarts--; n_late = LATE; restart(i) }
	:: atomic { n_stalls && !stalled[i] -> n_stalls--; n_late = LATE; stalled[i] = 1 }
	od
}

#define count_down(timer) timer = (timer > 1 -> timer - 1 : timer)
#define waits(i) (wake_timer[i] || half_timer[i] || \
                  (state[i] == ASKED && since_asked[i] < ANSWERABLE && !is_nuttx(i)))

inline age(i)
{
	count_down(wake_timer[i]);
	count_down(half_timer[i]);
	if
	:: unanswered[i] && since_asked[i] < ANSWERABLE -> since_asked[i]++
	:: else
	fi;
	if
	:: state[i] == ASKED && since_heard[i] < ASK -> since_heard[i]++
	:: else
	fi
}

inline tick()
{
	age(0);
	age(1)
}

#define good(i) (state[i] == CONNECTED && !todo[i] && !wrong[i] && wake[i] == ASLEEP)

/* Time passes when nothing else can happen. When no time is waited for, all is well. */
active proctype clock()
{
	atomic {
#ifdef KEEPS
		if
		:: true
		:: keeps[1] = 1
		fi;
#endif
		run side(0);
		run side(1)
	};
	do
	:: atomic { idle(0) && idle(1) ->
		if
		:: state[0] == OFF -> start(0)
		:: state[1] == OFF -> start(1)
		:: stalled[0] -> stalled[0] = 0; passes[0] = 0
		:: stalled[1] -> stalled[1] = 0; passes[1] = 0
		:: stalled[0] && len(to[0]) > 0 && !(state[0] == OFF && keeps[0]) -> passes[0] = 1
		:: stalled[1] && len(to[1]) > 0 && !(state[1] == OFF && keeps[1]) -> passes[1] = 1
		:: (state[0] == OFF || state[1] == OFF || stalled[0] || stalled[1]) && n_late ->
			n_late--; tick()
		:: state[0] != OFF && state[1] != OFF && !stalled[0] && !stalled[1] ->
			if
			:: waits(0) || waits(1) -> tick()
			:: else ->
				assert(good(0) && good(1));
				if
				:: probing -> assert(heard_sid[0] == sid[1] && heard_sid[1] == sid[0]); break
				:: else ->
					probing = 1;
					n_losses = 0;
					n_changes = 0;
					n_restarts = 0;
					n_stalls = 0;
					todo[0] = 1;
					todo[1] = 1;
					stay_wake(0);
					stay_wake(1)
				fi
			fi
		fi }
	od
}
