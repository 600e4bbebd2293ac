using System.Runtime.CompilerServices;

namespace Tessera;

public partial class Tensor
{
    /// <summary>
    /// Picks by position: <c>x[0]</c>, <c>x[.., 1..3]</c>, <c>x[TensorIndex.Ellipsis, ^1]</c>, <c>x[mask]</c>. Numbers and ranges give
    /// views.
    /// </summary>
    /// <exception cref="ShapeException">More positions than dimensions.</exception>
    /// <exception cref="TorchIndexException">A number outside its dimension.</exception>
    [IndexerName("At")]
    public Tensor this[params ReadOnlySpan<TensorIndex> index]
    {
        get
        {
            using var scope = new Scope();
            var (view, picked) = View(index);
            return scope.Return(picked is null ? view : view.Index(picked));
        }
        set
        {
            using var scope = new Scope();
            var (view, picked) = View(index);
            if (picked is null)
                view.Copy_(value);
            else
                view.IndexPut_(picked, value);
        }
    }

    private (Tensor View, Tensor?[]? Picked) View(ReadOnlySpan<TensorIndex> index)
    {
        var named = 0;
        var ellipses = 0;
        foreach (var position in index)
        {
            if (position.What == TensorIndex.Kind.Ellipsis)
                ellipses++;
            else if (position.What == TensorIndex.Kind.Tensor && position.Indices!.DType == DType.Bool)
                named += position.Indices.Dim;
            else if (position.What != TensorIndex.Kind.NewAxis)
                named++;
        }
        if (named > Dim || ellipses > 1)
            throw new ShapeException($"an index of {named} positions and {ellipses} ellipses does not fit a tensor of shape {Shape}");

        var view = Alias();
        var dim = 0;
        List<Tensor?>? picked = null;
        foreach (var position in index)
        {
            switch (position.What)
            {
                case TensorIndex.Kind.Number:
                    view = view.Select(dim, position.Start);
                    break;
                case TensorIndex.Kind.Slice:
                    if (position.Start != 0 || position.Stop is not null || position.Step != 1)
                        view = view.Slice(dim, position.Start, position.Stop, position.Step);
                    dim++;
                    break;
                case TensorIndex.Kind.NewAxis:
                    view = view.Unsqueeze(dim++);
                    break;
                case TensorIndex.Kind.Ellipsis:
                    dim += Dim - named;
                    break;
                default:
                    picked ??= [];
                    while (picked.Count < dim)
                        picked.Add(null);
                    picked.Add(position.Indices!);
                    dim += position.Indices!.DType == DType.Bool ? position.Indices.Dim : 1;
                    break;
            }
        }
        return (view, picked?.ToArray());
    }
}
