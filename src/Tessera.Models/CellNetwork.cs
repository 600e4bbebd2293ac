namespace Tessera.Models;

/// <summary>
/// A network of cells, of which each sees the outputs of the two before it. A second classifier of a map in the middle may help while it is
/// trained.
/// </summary>
/// <typeparam name="TConfig">Its sizes and options.</typeparam>
public abstract class CellNetwork<TConfig> : StagedMaps<TConfig>
    where TConfig : BackboneConfig
{
    /// <summary>A network of these sizes and options.</summary>
    /// <param name="config">The sizes and options.</param>
    protected CellNetwork(TConfig config)
        : base(config) { }

    private protected abstract SecondClassifier? Second { get; }

    // The cell whose output the second classifier sees.
    private protected abstract int SecondCell { get; }

    // The output of every cell.
    private protected abstract IEnumerable<Tensor> CellMaps(Tensor image);

    // The last cell's output, as the classifier sees it.
    private protected virtual Tensor Finished(Tensor map) => map;

    /// <inheritdoc/>
    protected override string ClassifierPath => "classifier";

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassifierNames =>
        Second is null
            ? base.ClassifierNames
            : [.. base.ClassifierNames, "auxiliary_head.classifier.weight", "auxiliary_head.classifier.bias"];

    /// <inheritdoc/>
    public override void ResetClassifier(int classes)
    {
        base.ResetClassifier(classes);
        Second?.ResetClassifier(classes, Parameters().First());
    }

    /// <summary>In training with a second classifier, its logits as well: their loss counts 0.4 in the papers.</summary>
    protected override Outputs ForwardOutputs(ModelInput input)
    {
        if (!Training || Second is null)
            return base.ForwardOutputs(input);
        Tensor? second = null,
            last = null;
        foreach (var (i, x) in CellMaps(input.Inputs).Index())
        {
            last = x;
            if (i == SecondCell)
                second = Second.Call(x);
        }
        return new(Classify(Pool(Finished(last!)))) { Named = new Dictionary<string, Tensor> { [Outputs.Auxiliary] = second! } };
    }
}
