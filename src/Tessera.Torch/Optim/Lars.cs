namespace Tessera.Optim;

/// <summary>Published forms of LARS, which differ in the tensors they scale and in where the learning rate enters.</summary>
public enum LarsForm
{
    /// <summary>timm: the ratio is computed from |g| + decay |p|; groups without weight decay are not scaled.</summary>
    Timm,

    /// <summary>
    /// The form of MoCo v3, BYOL and the linear probe of MAE: the ratio is computed from the decayed gradient; vectors and scalars are
    /// neither scaled nor decayed.
    /// </summary>
    Moco,

    /// <summary>SimCLR, classic momentum: as MoCo's, but the momentum gathers steps that contain the learning rate already.</summary>
    Simclr,

    /// <summary>SimCLR, popular momentum: the momentum accumulates gradients, and the ratio is computed from the momentum.</summary>
    Popular,
}

/// <summary>
/// LARS (You et al., 2017, arXiv:1708.03888): momentum descent in which the step of each tensor is scaled to the tensor's own
/// norm, for batches of thousands.
/// </summary>
/// <param name="groups">The parameters to learn.</param>
/// <param name="learningRate">Learning rate.</param>
/// <param name="momentum">Share of the last update that is kept.</param>
/// <param name="trust">Step of a tensor as a share of its norm, at learning rate 1.</param>
/// <param name="form">Which of the published forms.</param>
/// <param name="nesterov">Whether the gradient is taken as if the momentum had been applied already.</param>
/// <param name="eps">Added to the denominator of timm's ratio.</param>
public sealed class Lars(
    IEnumerable<ParameterGroup> groups,
    double learningRate,
    double momentum = 0.9,
    double trust = 0.001,
    LarsForm form = LarsForm.Timm,
    bool nesterov = false,
    double eps = 1e-8
) : Optimizer(groups, learningRate)
{
    /// <inheritdoc/>
    protected override void Update(Slot slot, Parameter parameter, Tensor gradient, ParameterGroup group, double learningRate, long step)
    {
        var adapted = form == LarsForm.Timm ? group.WeightDecay != 0 : parameter.Dim > 1;
        var direction = adapted && group.WeightDecay != 0 ? gradient.Add(parameter, group.WeightDecay) : gradient;
        if (adapted && form == LarsForm.Timm)
            direction = direction * TrustRatio.Of(parameter, gradient, trust, group.WeightDecay, eps);
        else if (adapted && form != LarsForm.Popular)
            direction = direction * TrustRatio.Of(parameter, direction, trust);
        if (form == LarsForm.Simclr)
            direction = direction * learningRate;
        var velocity = slot.Get("momentum", () => parameter.ZerosLike()).Mul_(momentum).Add_(direction);
        var update = nesterov ? direction.Add(velocity, momentum) : velocity;
        if (adapted && form == LarsForm.Popular)
            update = update * TrustRatio.Of(parameter, update, trust);
        parameter.Add_(update, form == LarsForm.Simclr ? -1 : -learningRate);
    }
}
