namespace Tessera.Optim;

/// <summary>The ratio that scales a tensor's step to the tensor's own norm: the core of LARS and LAMB.</summary>
internal static class TrustRatio
{
    /// <summary>
    /// coefficient |parameter| / |update|, a scalar on the parameter's device; 1 where either norm is zero. The denominator may
    /// have something added to it: <paramref name="share"/> times |parameter|, and <paramref name="eps"/>.
    /// </summary>
    internal static Tensor Of(Tensor parameter, Tensor update, double coefficient, double share = 0, double eps = 0)
    {
        var (own, theirs) = (parameter.LinalgVectorNorm(), update.LinalgVectorNorm());
        var denominator = share == 0 && eps == 0 ? theirs : theirs + own * share + eps;
        // Selected on the device, so that no step waits for it.
        return Torch.Where((own > 0).LogicalAnd(theirs > 0), own * coefficient / denominator, own.OnesLike());
    }
}
