/* The call that trains: a plain network or members, each laid out in the run's memory.
 */

static size_t train_work_size(const rn_run *run) {
    rn_arena arena = {0};
    if (rn_members(run->net) > 1) lay_out_members(run, &arena);
    else lay_out_all(run, &arena);
    return arena.used;
}

/* Steps until the epoch ends, max_steps are done or the time is up; see rn_run. */
static void train(rn_run *run) {
    rn_arena arena = {.base = run->work};
    rn_training training = {.run = run, .deadline = rn_seconds() + run->seconds};
    training.max_steps = run->max_steps;
    if (rn_members(run->net) > 1) {
        rn_team_of_members members = lay_out_members(run, &arena);
        members.training = &training;
        run->seconds_asleep = rn_parallel(run->n_threads, members_worker, &members);
        return;
    }
    training.works = lay_out_all(run, &arena);
    const rn_lazy *lazy = training.works->lazy;
    if (lazy) training.max_steps = rn_min(run->max_steps, lazy->capacity);
    run->seconds_asleep = rn_parallel(run->n_threads, train_worker, &training);
}
