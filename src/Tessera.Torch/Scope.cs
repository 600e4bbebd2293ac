using System.Collections;
using System.Runtime.CompilerServices;

namespace Tessera;

/// <summary>
/// Owns the tensors that its thread makes while it is the innermost one, and frees them when it ends, but for those
/// handed on by <see cref="Return{T}"/> or <see cref="Tensor.Keep"/>. Module calls open one, so model code never frees anything.
/// </summary>
public sealed class Scope : ThreadRegion
{
    [ThreadStatic]
    private static Scope? current;

    private readonly List<Tensor> members = [];
    private Scope? parent;
    private Scope inner; // the innermost one when its thread left it

    /// <summary>Opens a scope inside the thread's current one.</summary>
    public Scope()
        : this(followed: true) { }

    private Scope(bool followed)
        : base("a Scope")
    {
        inner = this;
        if (followed)
            Begin();
        else
            Enter();
    }

    /// <summary>A scope of a call that ends where it began, so that nobody has to follow it: it costs less.</summary>
    internal static Scope OfCall() => new(followed: false);

    private protected override void Enter() => (parent, current) = (current, inner);

    private protected override void Leave() => (inner, current) = (current!, parent);

    private protected override bool IsInnermost => current == this;

    /// <summary>The thread's innermost scope; null outside of all.</summary>
    public static Scope? Current => current;

    internal void Add(Tensor tensor)
    {
        tensor.Owner = this;
        members.Add(tensor);
    }

    /// <summary>
    /// Hands the tensors of a result on to the enclosing scope (or, outside of all, to the garbage collector) and gives it back.
    /// Looks into tensors, tuples, lists, dictionaries of tensors and anything that implements <see cref="ITensorBag"/>.
    /// </summary>
    /// <typeparam name="T">Type of the result.</typeparam>
    /// <param name="result">What is handed on.</param>
    /// <exception cref="NotSupportedException">The result is of a type that may hide tensors.</exception>
    /// <exception cref="InvalidOperationException">
    /// On another thread than the one that opened the scope, as happens after an await; or the result is a task.
    /// </exception>
    public T Return<T>(T result)
    {
        CheckThread("return results");
        if (result is Tensor tensor)
            Move(tensor);
        else if (result is not null)
            MoveAll(result);
        return result;
    }

    private void MoveAll(object result)
    {
        switch (result)
        {
            case Tensor tensor:
                Move(tensor);
                break;
            case ITensorBag bag:
                foreach (var item in bag.Tensors)
                    Move(item);
                break;
            case IEnumerable<KeyValuePair<string, Tensor>> named:
                foreach (var (_, item) in named)
                    Move(item);
                break;
            case IDictionary named:
                foreach (var item in named.Values)
                    if (item is not null)
                        MoveAll(item);
                break;
            case ITuple tuple:
                for (var i = 0; i < tuple.Length; i++)
                    if (tuple[i] is { } item)
                        MoveAll(item);
                break;
            case Task or ValueTask:
            case ValueType when result.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == typeof(ValueTask<>):
                throw new InvalidOperationException(
                    "a Scope cannot be held over await, nor return a task: await first, and open a scope around what computes"
                );
            case string or ValueType:
                break;
            case IEnumerable list:
                foreach (var item in list)
                    if (item is not null)
                        MoveAll(item);
                break;
            default:
                throw new NotSupportedException(
                    $"a scope cannot return a {result.GetType().Name}: the type must implement {nameof(ITensorBag)}"
                );
        }
    }

    internal void Move(Tensor tensor) => tensor.MoveFrom(this, parent);

    private protected override void Free()
    {
        foreach (var tensor in members)
            if (ReferenceEquals(tensor.Owner, this))
                tensor.Dispose();
        members.Clear();
    }
}

/// <summary>A result that holds tensors, so that scopes can hand them on.</summary>
public interface ITensorBag
{
    /// <summary>All tensors that it holds.</summary>
    IEnumerable<Tensor> Tensors { get; }
}
