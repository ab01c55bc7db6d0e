/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crossing traffic over links of two buffers, callbacks that answer, parking and credit: nothing is
 * lost and nobody waits for ever, directly and through a hub.
 *
 * Source: src/core/credit.c: credit_start set_tx_left set_rx_left make_room window_of credit_due credit_flush granted credit_dealt
 * Source: src/core/receive.c: keep slot_for result_of redeliver receive_resume
 * Source: src/core/send.c: claim rpr_send
 * Source: src/router/route.c: on_rx
 * Source: src/vring/vring.c: have_buffer
 *
 * A hop is one direction of one link between two bound endpoints: two buffers, of which data leaves
 * the last one to control; a limit that the sender has heard; a queue of kept messages, no longer
 * than the window, at the receiver. At both ends an application asks R times, at most ASK questions
 * being open, and answers the other's questions inside its callback, or says RPR_LATER if it cannot
 * send. The hub in between forwards, or says RPR_LATER. A buffer goes back when the callback has
 * returned, whatever it said.
 *
 * An answer needs credit, as a question does: where both ends spend all of theirs on questions, neither
 * can answer, and what they keep is never dealt with. That is so with any bounded store in any
 * protocol; one question less than the window avoids it (docs/CONCURRENCY.md), and the last of the
 * defects below shows it.
 *
 * Abstracted: who is told `writable` and when (whatever can go on does; formal/doorbell.pml has the
 * wake-ups), growing windows, quotas shared by routes, name service words. CREDIT_FIRST is FIRST.
 *
 * Check: -DASK=1
 * Check: -DASK=1 -DFIRST=1 -DWINDOW=2
 * Check: -DASK=2 -DWINDOW=3
 * Check: -DHUB -DASK=1 -DR=2
 * Defect: -DASK=1 -DHOLD_BUFFER (a message that cannot be answered keeps its buffer)
 * Defect: -DHUB -DASK=1 -DHOLD_BUFFER (the same at a hub)
 * Defect: -DASK=2 -DWINDOW=3 -DGRANT_EARLY (a kept message counts as dealt with)
 * Defect: -DASK=1 -DFIRST=1 -DWINDOW=1 -DNO_GRANT_AT_BIND (the receiver does not say its window)
 * Defect: -DASK=2 (as many questions as the window holds)
 */
#ifndef R
#define R 3
#endif
#ifndef WINDOW
#define WINDOW 2
#endif
#ifndef FIRST
#define FIRST WINDOW
#endif
#define BUFFERS 2

mtype = { ASKS, ANSWERS, GRANTS };

#ifdef HUB
/* 0: a to hub, 1: hub to b, 2: b to hub, 3: hub to a */
#define HOPS      4
#define onward(h) (((h) + 1) % 4)
#define reverse(h) (3 - (h))
#define is_app(h) ((h) % 2 == 1)
#define asker(h)  (h == 1 -> 1 : 0) /* whose answers arrive there */
#define ask_a     0
#define ask_b     2
#else
#define HOPS      2
#define onward(h) (1 - (h))
#define reverse(h) (1 - (h))
#define is_app(h) 1
#define asker(h)  (1 - (h))
#define ask_a     0
#define ask_b     1
#endif

chan ring[HOPS] = [BUFFERS] of { mtype, byte };
chan kept[HOPS] = [WINDOW] of { mtype };
byte sent[HOPS], limit[HOPS]; /* the sender's */
byte dealt[HOPS], left[HOPS]; /* the receiver's; messages until the next grant */
bit granting[HOPS];
byte n_asked[2], n_answered[2];

#define may_send(h) (len(ring[h]) < BUFFERS - 1 && sent[h] < limit[h])

inline send(h, what)
{
	ring[h]!what, 0;
	sent[h]++
}

inline due(h)
{
	left[h] = (WINDOW < 2 -> 1 : WINDOW / 2);
	granting[h] = 1
}

inline deal(h)
{
	dealt[h]++;
	left[h]--;
	if
	:: left[h] == 0 -> due(h)
	:: else
	fi
}

/* Can the callback deal with it now? */
#define can(h, what) ((is_app(h) && what == ANSWERS) || may_send(onward(h)))

#ifdef HOLD_BUFFER
#define MAY_READ(h, what) (ring[h]?[what, _] && can(h, what))
#else
#define MAY_READ(h, what) (ring[h]?[what, _])
#endif

inline callback(h, what)
{
	if
	:: is_app(h) && what == ANSWERS -> n_answered[asker(h)]++
	:: is_app(h) && what == ASKS -> send(onward(h), ANSWERS)
	:: !is_app(h) -> send(onward(h), what)
	fi
}

/* Where the messages of hop h arrive. */
proctype receiver(byte h)
{
	mtype what;
	byte value;

end:
	do
	:: atomic { ring[h]?[GRANTS, _] -> ring[h]?what, value;
		/* granted(): never backwards */
		if
		:: value > limit[reverse(h)] -> limit[reverse(h)] = value
		:: else
		fi }
	:: atomic { (MAY_READ(h, ASKS) || MAY_READ(h, ANSWERS)) -> ring[h]?what, value;
		if
		:: empty(kept[h]) && can(h, what) -> callback(h, what); deal(h)
		:: else ->
			assert(nfull(kept[h])); /* it would be dropped */
			kept[h]!what;
#ifdef GRANT_EARLY
			deal(h)
#endif
		fi }
	/* receive_resume() */
	:: atomic { (kept[h]?[ASKS] && can(h, ASKS)) || (kept[h]?[ANSWERS] && can(h, ANSWERS)) ->
		kept[h]?what;
		callback(h, what);
#ifndef GRANT_EARLY
		deal(h)
#endif
		}
	/* credit_flush(): control may take the last buffer */
	:: atomic { granting[h] && len(ring[reverse(h)]) < BUFFERS ->
		granting[h] = 0;
		ring[reverse(h)]!GRANTS, dealt[h] + WINDOW }
	od
}

/* Asks: side i, through hop h. */
proctype application(byte i, h)
{
	do
	:: atomic { n_asked[i] < R && n_asked[i] - n_answered[i] < ASK && may_send(h) ->
		send(h, ASKS);
		n_asked[i]++ }
	:: n_asked[i] == R -> break
	od
}

init {
	byte h;

	atomic {
		do
		:: h < HOPS -> /* credit_start() on both sides */
			limit[h] = FIRST;
#ifdef NO_GRANT_AT_BIND
			left[h] = 255;
#else
			due(h);
#endif
			h++
		:: h == HOPS -> break
		od;
		h = 0;
		do
		:: h < HOPS -> run receiver(h); h++
		:: h == HOPS -> break
		od;
		run application(0, ask_a);
		run application(1, ask_b)
	}
}

/* When nothing moves any more all is asked and answered. */
active proctype quiet()
{
end:
	timeout -> assert(n_answered[0] == R && n_answered[1] == R)
}
