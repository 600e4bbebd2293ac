namespace Tessera.Training.Loop;

/// <summary>
/// Decides about a loss or gradient that is not finite: it counts the skipped steps and the rollbacks and holds their limits.
/// </summary>
/// <param name="options">Action and limits that the recipe sets.</param>
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

    /// <summary>Counts a good step: the row of skipped steps ends.</summary>
    internal void Passed() => Skipped = 0;

    /// <summary>Counts a skipped step.</summary>
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

    /// <summary>Takes the counts of a checkpoint over.</summary>
    internal void Restore(int skipped, int rollbacks) => (Skipped, Rollbacks) = (skipped, rollbacks);
}
