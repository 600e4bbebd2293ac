using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>
/// A term that is added to the loss of any method which runs the student on the whole images of the batch. It sees what it asks
/// for of that very pass, so that it costs no second one. As of an <see cref="Objective"/>, what its fields hold is saved with the
/// run, and its parameters are learned.
/// </summary>
public abstract class Auxiliary : Module
{
    /// <summary>What it is called in the log.</summary>
    public abstract string Name { get; }

    /// <summary>Paths of the modules of the student whose outputs it needs.</summary>
    public abstract IReadOnlyList<string> Paths { get; }

    /// <summary>The unweighted term, a scalar.</summary>
    /// <param name="student">The model.</param>
    /// <param name="outputs">Outputs of <see cref="Paths"/>, in that order.</param>
    /// <param name="batch">What it was given.</param>
    public abstract Tensor Term(Backbone student, IReadOnlyList<Tensor> outputs, Batch batch);

    /// <summary>Its weight at a time.</summary>
    public abstract double WeightAt(Progress progress);
}

/// <summary>Which term, with its settings.</summary>
public abstract record AuxiliaryOptions
{
    /// <summary>Builds the term.</summary>
    /// <exception cref="ArgumentException">The student has not what the term needs.</exception>
    public abstract Auxiliary Create(ObjectiveContext context);
}

/// <summary>A method with further terms.</summary>
public sealed partial class WithAuxiliaries : Objective
{
    private readonly Objective main;
    private readonly ModuleList<Auxiliary> auxiliary;

    /// <summary>The method and its terms.</summary>
    public WithAuxiliaries(Objective main, IEnumerable<Auxiliary> terms) => (this.main, auxiliary) = (main, new(terms));

    /// <inheritdoc/>
    public override bool IsOnePass => main.IsOnePass;

    /// <inheritdoc/>
    public override bool ClipsStudentOnly => main.ClipsStudentOnly;

    /// <inheritdoc/>
    public override double RateScale(string parameter) => main.RateScale(parameter);

    /// <inheritdoc/>
    public override bool MeanOverSamples => main.MeanOverSamples;

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Backbone student, Batch batch, Progress progress)
    {
        using var taps = new Taps(student, [.. auxiliary.SelectMany(term => term.Paths).Distinct()]);
        var loss = main.Compute(student, batch, progress);
        taps.Dispose();
        var total = loss.Total;
        var parts = new Dictionary<string, Tensor>(loss.Parts);
        foreach (var term in auxiliary)
        {
            var value = term.Term(student, [.. term.Paths.Select(path => taps[path])], batch);
            parts[term.Name] = value.Detach();
            // Weight 0 still computes the term: the log shows where it begins.
            if (term.WeightAt(progress) is var weight and not 0)
                total = total + weight * value;
        }
        return new(total) { Logits = loss.Logits, Parts = parts };
    }

    /// <inheritdoc/>
    public override void AfterStep(Backbone student, Progress progress) => main.AfterStep(student, progress);
}
