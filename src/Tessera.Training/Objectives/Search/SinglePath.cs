using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives.Search;

/// <summary>
/// Trains a supernet of paths by single uniform ones: every step takes one of the candidates at each place, all with the same probability,
/// and changes its weights alone (Guo et al., 2019, arXiv:1904.00420, section 3.2). What is drawn depends on the seed and the step alone.
/// </summary>
/// <param name="supernet">A model that is <see cref="IPathSearchable"/>.</param>
/// <param name="options">The settings.</param>
/// <exception cref="ArgumentException">The model is no supernet of paths.</exception>
public sealed class SinglePath(Backbone supernet, SinglePathOptions options) : BackboneObjective(supernet)
{
    private readonly IPathSearchable paths =
        supernet as IPathSearchable
        ?? throw new ArgumentException($"objective single_path trains a supernet of paths, which a {supernet.GetType().Name} is not");

    /// <inheritdoc/>
    public override double? ForwardPasses => Supervised.OnePass;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        using (paths.Use(options.Draw(paths.Choices, progress.Step)))
        {
            var logits = Student.Run(new(batch.Inputs, batch.Mask)).Logits;
            return new(Supervised.Base(logits, batch, options.Smoothing)) { Scores = Accuracy(logits, batch) };
        }
    }
}

/// <summary>Settings of training by single paths.</summary>
/// <param name="Smoothing">Label smoothing, from 0 (the default) to 0.999.</param>
/// <param name="Seed">Of the paths that are drawn.</param>
[RecipeName("single_path")]
public sealed record SinglePathOptions([Range(0, 0.999)] double Smoothing = 0, ulong Seed = 0) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override double TargetSmoothing => Smoothing;

    /// <summary>The path of a step.</summary>
    /// <param name="choices">Number of candidates at every place.</param>
    /// <param name="step">The step, from 0.</param>
    public IReadOnlyList<int> Draw(IReadOnlyList<int> choices, long step)
    {
        var random = new SeededRandom(Seed, step);
        return [.. choices.Select(count => random.Next(count))];
    }

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new SinglePath(context.Student, this);
}
