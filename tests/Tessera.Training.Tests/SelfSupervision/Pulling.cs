using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>
/// A method that pulls two noisy copies of every image together, and pushes images apart or, to collapse, pulls them together.
/// </summary>
internal sealed class Pulling(PullingOptions options, ObjectiveContext context) : SelfSupervised(context, options.Online)
{
    protected override Comparison Compare(Batch batch, Progress progress)
    {
        var images = batch.Inputs;
        Tensor View() => Encode(images + (Torch.Rand(images.Shape, device: images.Device) - 0.5) * 0.2);
        var (one, two) = (View(), View());
        var spread = (one - one.Mean([0], true)).Square().Mean();
        return new((one - two).Square().Mean() + spread * (options.Collapse ? 10 : -0.1), one, [one, two])
        {
            Parts = new Dictionary<string, Tensor> { ["spread"] = spread.Detach() },
        };
    }
}

/// <summary>Its settings.</summary>
/// <param name="Collapse">Whether it makes all images look alike.</param>
/// <param name="Online">Whether a probe learns along.</param>
[RecipeName("pulling")]
public sealed record PullingOptions(bool Collapse = false, bool Online = true) : ObjectiveOptions
{
    /// <inheritdoc/>
    public override Type? TargetsType => null;

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Pulling(this, context);
}
