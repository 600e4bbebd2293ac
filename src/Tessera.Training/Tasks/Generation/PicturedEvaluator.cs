using Tessera.Data;
using Tessera.Distributed;

namespace Tessera.Training.Tasks.Generation;

/// <summary>Adds pictures to what another evaluator measures, drawn while the model is in the state that is measured.</summary>
/// <param name="measuring">Measures.</param>
/// <param name="draw">Draws.</param>
internal sealed class PicturedEvaluator(Evaluator measuring, Func<IReadOnlyList<MetricPicture>> draw) : Evaluator
{
    private readonly Lock drawing = new();
    private IReadOnlyList<MetricPicture>? pictures;

    /// <inheritdoc/>
    public override FeatureBank? Bank => measuring.Bank;

    /// <inheritdoc/>
    public override void Add(Batch batch)
    {
        lock (drawing)
            pictures ??= draw();
        measuring.Add(batch);
    }

    /// <inheritdoc/>
    public override void Join(ProcessGroup group) => measuring.Join(group);

    /// <inheritdoc/>
    public override Metrics Measure() => measuring.Measure() with { Pictures = pictures ?? [] };
}
