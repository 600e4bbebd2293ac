namespace Tessera.Training.Losses;

/// <summary>
/// A loss as the sum over pixels and what it is divided by, both scalars: processes that train together add up both before they divide,
/// as each has another number of labelled pixels.
/// </summary>
/// <param name="Sum">Sum of the pixels' losses, with the graph that leads to it.</param>
/// <param name="Weight">Number of pixels that count, or the sum of their weights.</param>
public sealed record PixelSum(Tensor Sum, Tensor Weight) : ITensorBag
{
    /// <summary>The loss: the sum over the weight; where no pixel counts, 0 with gradient 0.</summary>
    public Tensor Mean() => Over(Weight);

    /// <summary>The share of this sum in a loss over more pixels.</summary>
    /// <param name="weight">Weight of all of them; 0 gives 0.</param>
    public Tensor Over(Tensor weight) => Torch.Scope(() => Sum / (weight + weight.Eq(0).To(weight.DType)));

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Sum, Weight];
}
