namespace Tessera.Training.Loop;

/// <summary>What happens when a loss or a gradient is not finite: how often a step may be left out, and training go back.</summary>
/// <param name="options">What the recipe says.</param>
internal sealed class NonFinitePolicy(TrainOptions options)
{
    /// <summary>Steps in a row that were left out so far.</summary>
    internal int Skipped { get; private set; }

    /// <summary>How often training has gone back to a checkpoint.</summary>
    internal int Rollbacks { get; private set; }

    /// <summary>Whether a bad step is left out.</summary>
    internal bool Skips => options.NonFinite == NonFiniteAction.Skip;

    /// <summary>Whether training goes back to a checkpoint.</summary>
    internal bool RollsBack => options.NonFinite == NonFiniteAction.Rollback;

    /// <summary>A step was good.</summary>
    internal void Passed() => Skipped = 0;

    /// <summary>A step is left out.</summary>
    /// <exception cref="NonFiniteLossException">Too many were left out in a row.</exception>
    internal void Skip(NonFiniteLossException error)
    {
        if (Skipped >= options.NonFiniteLimit)
            throw error.After($"{Skipped} steps in a row were left out already (train.non_finite_limit)");
        Skipped++;
    }

    /// <summary>The count of this rollback.</summary>
    /// <exception cref="NonFiniteLossException">Training has gone back too often.</exception>
    internal int CountRollback(NonFiniteLossException error) =>
        Rollbacks < options.NonFiniteLimit
            ? Rollbacks + 1
            : throw error.After($"the run has gone back to a checkpoint {Rollbacks} times already (train.non_finite_limit)");

    /// <summary>Goes on from where a checkpoint stood.</summary>
    internal void Restore(int skipped, int rollbacks) => (Skipped, Rollbacks) = (skipped, rollbacks);
}
