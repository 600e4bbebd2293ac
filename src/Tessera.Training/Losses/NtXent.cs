using Tessera.Distributed;

namespace Tessera.Training.Losses;

/// <summary>
/// The contrastive loss of two views, NT-Xent (Chen et al., 2020, arXiv:2002.05709, equation 1): each row must find its partner among the
/// other rows of both views, 2N - 1 of N samples.
/// </summary>
/// <param name="FirstLoss">Mean over the rows of the first view, a scalar.</param>
/// <param name="SecondLoss">Mean over the rows of the second view, a scalar.</param>
/// <param name="Logits">Rows of the first view of this process against all of the second, [N, M].</param>
/// <param name="Partners">Which of them is a row's partner, int64, [N].</param>
public sealed record NtXent(Tensor FirstLoss, Tensor SecondLoss, Tensor Logits, Tensor Partners) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [FirstLoss, SecondLoss, Logits, Partners];

    /// <summary>The losses of both views together, as the authors' code has it.</summary>
    public Tensor Sum => FirstLoss + SecondLoss;

    /// <summary>Their mean, as in the paper: half of the sum.</summary>
    public Tensor Mean => Sum / 2;

    /// <summary>Number of rows of the first view that are most like their partner among all rows of the second.</summary>
    public long Hits() => Torch.Scope(() => Logits.Detach().Argmax(1).Eq(Partners).Sum()).ToInt64();

    /// <summary>The loss of two views in one process.</summary>
    /// <param name="first">Embeddings of the first view, [N, D].</param>
    /// <param name="second">Embeddings of the second view of the same samples, [N, D].</param>
    /// <param name="temperature">T, above 0, by which similarities are divided.</param>
    /// <param name="normalize">Whether each row is divided by its length, so that similarities are cosines.</param>
    public static NtXent Of(Tensor first, Tensor second, double temperature, bool normalize = true)
    {
        using var scope = new Scope();
        return scope.Return(Of(ContrastRows.Of(first, normalize: normalize), ContrastRows.Of(second, normalize: normalize), temperature));
    }

    /// <summary>The loss of this process's rows of two views against the rows of all processes.</summary>
    /// <param name="first">Rows of the first view.</param>
    /// <param name="second">Rows of the second view of the same samples.</param>
    /// <param name="temperature">T, above 0, by which similarities are divided.</param>
    /// <exception cref="ShapeException">The views have different shapes.</exception>
    public static NtXent Of(ContrastRows first, ContrastRows second, double temperature)
    {
        if (first.Own.Dim != 2 || first.Own.Shape != second.Own.Shape)
            throw new ShapeException(
                $"embeddings of shapes {first.Own.Shape} and {second.Own.Shape}: both views must be [N, D] of the same samples"
            );
        using var scope = new Scope();
        var device = first.Own.Device;
        // Rounded to 16 bits, the similarity with the partner would drown among thousands of others.
        using var exact = Torch.Autocast(device: device.Type, enabled: false);
        var (own, all) = (first.Own.Size(0), first.All.Size(0));
        // A process without samples of its own listens with a row that is not among them.
        var partners = (Torch.Arange(own, device: device) + first.First).ClampMax(all - 1);
        var self = partners.Unsqueeze(1).Eq(Torch.Arange(all, device: device)); // [N, M]
        var across = Similar(first.Own, second.All);
        return scope.Return(
            new NtXent(
                Loss(across, Similar(first.Own, first.All)),
                Loss(Similar(second.Own, first.All), Similar(second.Own, second.All)),
                across,
                partners
            )
        );

        Tensor Similar(Tensor rows, Tensor others) => rows.Matmul(others.MT) / temperature;

        // Infinity holds in every type; the reference's 1e9 is beyond float16.
        Tensor Loss(Tensor partnered, Tensor within) =>
            Torch.Cat([partnered, within.MaskedFill(self, double.NegativeInfinity)], 1).CrossEntropyLoss(partners);
    }
}
